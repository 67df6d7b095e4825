package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.trust.ConnectionsByHost;
import dev.tandem.trust.LogPause;
import dev.tandem.trust.PeerHost;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All sessions of peers on the data port, as many as {@link TransferConfig.Bounds} allow at all and for one host. Idle connections are
 * legitimate, Mooncake's readers keep pools of them; so they stay until another needs the place. Owned by the poller.
 */
final class DataServer {
    private static final Logger LOG = LoggerFactory.getLogger(DataServer.class);

    /** So long a header may be under way before its connection makes room for others like an idle one. */
    private static final long HEAD_GRACE_NS = 1_000_000_000;

    private final Poller poller;
    private final RegionTable regions;
    private final Counters<TransferCounter> counters;
    private final PeerTrust trust;
    private final TransferConfig.Bounds bounds;
    private final long progressNs;
    private final GuessLimit guesses;
    private final LogPause refusals = new LogPause(Duration.ofSeconds(1));
    private final ConnectionsByHost<ServerSession> sessions = new ConnectionsByHost<>();

    DataServer(Poller poller, RegionTable regions, Counters<TransferCounter> counters, TransferConfig config) {
        this.poller = poller;
        this.regions = regions;
        this.counters = counters;
        this.trust = config.trust();
        this.bounds = config.bounds();
        this.progressNs = config.timeouts().progress().toNanos();
        this.guesses = new GuessLimit(bounds.guesses(), bounds.guessInterval().toNanos());
    }

    /** Takes a new connection, in place of one that nobody uses if there are too many. */
    void accept(SocketChannel channel) {
        try {
            InetAddress address = channel.socket().getInetAddress();
            if (address == null) {
                channel.close(); // gone already
                return;
            }
            String host = PeerHost.of(address);
            if (!hasRoom(host)) {
                counters.increment(TransferCounter.CONNECTIONS_REFUSED);
                channel.close();
                return;
            }
            sessions.add(host, new ServerSession(this, channel, address.getHostAddress(), host));
            counters.increment(TransferCounter.CONNECTIONS_ACCEPTED);
        } catch (IOException e) {
            LOG.debug("data connection not taken: {}", e.toString());
            abandon(channel);
        } catch (RuntimeException | Error e) { // no memory for it
            abandon(channel);
            throw e;
        }
    }

    private static void abandon(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("data connection did not close: {}", e.toString());
        }
    }

    /** Whether one more connection of a host fits, if need be in the place of an unused one. */
    private boolean hasRoom(String host) {
        boolean isHostFull = sessions.count(host) >= bounds.connectionsPerHost();
        if (!isHostFull && sessions.count() < bounds.connections()) {
            return true;
        }
        long nowNs = System.nanoTime();
        Predicate<ServerSession> isUnused = session -> session.isUnused(nowNs, HEAD_GRACE_NS);
        Comparator<ServerSession> longestFirst =
                (one, other) -> Long.signum(one.lastProgressNs() - other.lastProgressNs());
        Optional<ServerSession> unused =
                isHostFull ? sessions.ofHost(host, isUnused, longestFirst) : sessions.ofLargest(isUnused, longestFirst);
        unused.ifPresent(session -> {
            counters.increment(TransferCounter.CONNECTIONS_DISPLACED);
            session.close();
        });
        return unused.isPresent();
    }

    long sweep(long nowNs) {
        long next = Long.MAX_VALUE;
        for (ServerSession session : sessions.all()) {
            next = Math.min(next, session.sweep(nowNs));
        }
        return next;
    }

    void close() {
        for (ServerSession session : sessions.all()) {
            session.close();
        }
    }

    /** Closes the sessions that are inside a region. */
    void cutOff(Region region) {
        for (ServerSession session : sessions.all()) {
            if (session.holds(region)) {
                LOG.info("data session cut off: it is inside a region of {} bytes that goes", region.length());
                session.close();
            }
        }
    }

    void forget(ServerSession session) {
        sessions.remove(session.host(), session);
    }

    Poller poller() {
        return poller;
    }

    RegionTable regions() {
        return regions;
    }

    Counters<TransferCounter> counters() {
        return counters;
    }

    PeerTrust trust() {
        return trust;
    }

    /** A peer at our port is not let in. */
    void refuse(String why) {
        counters.increment(TransferCounter.SESSIONS_REFUSED);
        refusals.due().ifPresent(more -> LOG.warn("refused: {}{}", why, more));
    }

    long progressNs() {
        return progressNs;
    }

    GuessLimit guesses() {
        return guesses;
    }
}
