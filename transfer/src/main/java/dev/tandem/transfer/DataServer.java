package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.RefusalLog;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
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
    private final RefusalLog refusals = new RefusalLog(LOG);
    private final Set<ServerSession> sessions = new HashSet<>();
    private final Map<String, Integer> byHost = new HashMap<>(); // how many sessions; only hosts that have one

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
            String host = GuessLimit.host(address);
            if (!hasRoom(host)) {
                counters.increment(TransferCounter.CONNECTIONS_REFUSED);
                channel.close();
                return;
            }
            sessions.add(new ServerSession(this, channel, address.getHostAddress(), host));
            byHost.merge(host, 1, Integer::sum);
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
        boolean isHostFull = byHost.getOrDefault(host, 0) >= bounds.connectionsPerHost();
        if (!isHostFull && sessions.size() < bounds.connections()) {
            return true;
        }
        ServerSession unused = leastUsed(isHostFull ? host : null);
        if (unused == null) {
            return false;
        }
        counters.increment(TransferCounter.CONNECTIONS_DISPLACED);
        unused.close();
        return true;
    }

    /** Of the unused sessions of a host, or of all hosts: that of the host with the most, and of those the longest unused. */
    private @Nullable ServerSession leastUsed(@Nullable String host) {
        long nowNs = System.nanoTime();
        ServerSession found = null;
        for (ServerSession session : sessions) {
            boolean isMeant = host == null || session.host().equals(host);
            if (isMeant && session.isUnused(nowNs, HEAD_GRACE_NS) && (found == null || isBefore(session, found))) {
                found = session;
            }
        }
        return found;
    }

    private boolean isBefore(ServerSession one, ServerSession other) {
        int more = Integer.compare(byHost.getOrDefault(one.host(), 0), byHost.getOrDefault(other.host(), 0));
        return more > 0 || (more == 0 && one.lastProgressNs() - other.lastProgressNs() < 0);
    }

    long sweep(long nowNs) {
        long next = Long.MAX_VALUE;
        for (ServerSession session : new ArrayList<>(sessions)) {
            next = Math.min(next, session.sweep(nowNs));
        }
        return next;
    }

    void close() {
        for (ServerSession session : new ArrayList<>(sessions)) {
            session.close();
        }
    }

    /** Closes the sessions that are inside a region. */
    void cutOff(Region region) {
        for (ServerSession session : new ArrayList<>(sessions)) {
            if (session.holds(region)) {
                LOG.info("data session cut off: it is inside a region of {} bytes that goes", region.length());
                session.close();
            }
        }
    }

    void forget(ServerSession session) {
        if (sessions.remove(session)) {
            byHost.computeIfPresent(session.host(), (host, count) -> count == 1 ? null : count - 1);
        }
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
        refusals.refused(why);
    }

    long progressNs() {
        return progressNs;
    }

    GuessLimit guesses() {
        return guesses;
    }
}
