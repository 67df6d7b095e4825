package dev.tandem.gateway.fleet;

import dev.tandem.api.HttpAddress;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One node: where it is, how loaded, whether alive. Loads are in the units of {@link NodeLoad}; event loops add and settle them, hence
 * the atomics. Health is written by the node's prober and, when a connection is refused, by an event loop.
 */
public final class FleetNode {
    private static final Logger LOG = LoggerFactory.getLogger(FleetNode.class);

    private final NodeRole role;
    private final HttpAddress address;
    private final AtomicLong activeTokens = new AtomicLong();
    private final AtomicLong activeKv = new AtomicLong();
    /** Requests under way on this node; counted by event loops. */
    private final AtomicLong inFlight = new AtomicLong();
    /** How often the node was found dead; counted by prober and event loops. */
    private final LongAdder timesDown = new LongAdder();
    /** Wakes the prober before its time; released by event loops. */
    private final Semaphore suspicion = new Semaphore(0);
    /** One word, written by the prober and by event loops, read by all: the last verdict. */
    private volatile boolean healthy;
    /** Set by event loops when the node says that it does not know handoff/cancel. */
    private volatile boolean cancelsHandoffs = true;

    FleetNode(NodeRole role, HttpAddress address) {
        this.role = role;
        this.address = address;
    }

    /** What the node is asked for. */
    public NodeRole role() {
        return role;
    }

    /** Where it is. */
    public HttpAddress address() {
        return address;
    }

    /** Whether the last verdict was good. */
    public boolean isHealthy() {
        return healthy;
    }

    /** Whether the node may know {@code POST /v1/handoff/cancel}. */
    public boolean cancelsHandoffs() {
        return cancelsHandoffs;
    }

    /** The node has answered a cancel with 404 or 405: it is not asked again. */
    public void knowsNoCancel() {
        cancelsHandoffs = false;
    }

    /** Its load now. */
    public NodeLoad load() {
        return new NodeLoad(this, activeTokens.get(), activeKv.get());
    }

    /** Requests under way. */
    public long inFlight() {
        return inFlight.get();
    }

    /** How often it was found dead. */
    public long timesDown() {
        return timesDown.sum();
    }

    /** Counts the load of one request, until the reservation is settled. */
    public LegReservation reserve(long tokens, long kv) {
        activeTokens.addAndGet(tokens);
        activeKv.addAndGet(kv);
        inFlight.incrementAndGet();
        return new LegReservation(this, tokens, kv);
    }

    /** A connection was refused: the node gets no more requests until its prober has seen it alive. */
    public void refusedConnection(String cause) {
        markDown(cause);
        suspicion.release();
    }

    /** A connection broke or stayed silent: the prober looks at once, until then nothing changes. */
    public void suspect() {
        suspicion.release();
    }

    void markUp() {
        if (!healthy) {
            cancelsHandoffs = true; // it may be another program by now
            healthy = true;
            LOG.info("node up: role={} node={}", role.word(), address);
        }
    }

    void markDown(String cause) {
        if (healthy) {
            healthy = false;
            timesDown.increment();
            LOG.warn("node down: role={} node={} cause={}", role.word(), address, cause);
        }
    }

    Semaphore suspicion() {
        return suspicion;
    }

    void giveBackTokens(long tokens) {
        activeTokens.addAndGet(-tokens);
    }

    void giveBackKv(long kv) {
        activeKv.addAndGet(-kv);
    }

    void left() {
        inFlight.decrementAndGet();
    }

    @Override
    public String toString() {
        return role.word() + " " + address;
    }
}
