package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.RefusalLog;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All sessions of peers on the data port, at most {@link #MAX_SESSIONS}. Owned by the poller. */
final class DataServer {
    private static final Logger LOG = LoggerFactory.getLogger(DataServer.class);
    static final int MAX_SESSIONS = 1024;

    private final Poller poller;
    private final RegionTable regions;
    private final Counters<TransferCounter> counters;
    private final PeerTrust trust;
    private final long progressNs;
    private final RefusalLog refusals = new RefusalLog(LOG);
    private final Set<ServerSession> sessions = new LinkedHashSet<>(); // oldest first

    DataServer(
            Poller poller, RegionTable regions, Counters<TransferCounter> counters, PeerTrust trust, long progressNs) {
        this.poller = poller;
        this.regions = regions;
        this.counters = counters;
        this.trust = trust;
        this.progressNs = progressNs;
    }

    /** Takes a new connection, in place of the oldest idle one if there are too many. */
    void accept(SocketChannel channel) {
        try {
            if (sessions.size() >= MAX_SESSIONS && !closeOldestIdle()) {
                counters.increment(TransferCounter.CONNECTIONS_REFUSED);
                channel.close();
                return;
            }
            sessions.add(new ServerSession(this, channel));
            counters.increment(TransferCounter.CONNECTIONS_ACCEPTED);
        } catch (IOException e) {
            LOG.warn("data connection not taken: {}", e.toString());
        }
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
        sessions.remove(session);
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

    private boolean closeOldestIdle() {
        for (ServerSession session : sessions) {
            if (session.isIdle()) {
                session.close();
                return true;
            }
        }
        return false;
    }
}
