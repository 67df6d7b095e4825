package dev.tandem.gateway.fleet;

import dev.tandem.api.HttpAddress;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One node: where it is, how loaded, whether alive. Loads are in the units of {@link NodeLoad}; event loops add and settle them, hence
 * the atomics. Health is written by the node's prober and, when a connection is refused, by an event loop.
 */
public final class FleetNode {
    private static final Logger LOG = LoggerFactory.getLogger(FleetNode.class);
    private static final int MAX_POSTPONED = 4096;

    private final NodeRole role;
    private final HttpAddress address;
    private final AtomicLong activeTokens = new AtomicLong();
    private final AtomicLong activeKv = new AtomicLong();
    /** Requests under way on this node; counted by event loops. */
    private final AtomicLong inFlight = new AtomicLong();
    /** Requests that have ever been given to this node; counted by event loops. */
    private final AtomicLong reservations = new AtomicLong();
    /** How often the node was found dead; counted by prober and event loops. */
    private final LongAdder timesDown = new LongAdder();
    /** What waits for this node: event loops add and remove, the prober tells them. */
    private final Set<LegReservation> underWay = ConcurrentHashMap.newKeySet();
    /** What is to be done when a node that hangs is heard again: event loops add, the prober takes. */
    private final Queue<Runnable> whenBack = new LinkedBlockingQueue<>(MAX_POSTPONED);

    private final LongSupplier nanoClock;
    /** Wakes the prober before its time; set by the prober, run by event loops. */
    private volatile Runnable suspicion = () -> {};
    /** One reference, written by the prober and by event loops, read by all: the last verdict. */
    private volatile Verdict verdict;
    /** Written by the prober, read by all: what the node says that it runs; null for a foreign one. */
    private volatile @Nullable NodeIdentity identity;
    /** Written by the prober, read by all: whether it said so when it last said anything. */
    private volatile boolean isTandem;
    /** Set by event loops when the node says that it does not know handoff/cancel. */
    private volatile boolean cancelsHandoffs = true;

    FleetNode(NodeRole role, HttpAddress address, LongSupplier nanoClock) {
        this.role = role;
        this.address = address;
        this.nanoClock = nanoClock;
        this.verdict = verdict(Verdict.Kind.UNKNOWN, "it has not been asked yet");
    }

    /** What the node is asked for. */
    public NodeRole role() {
        return role;
    }

    /** Where it is. */
    public HttpAddress address() {
        return address;
    }

    /** The last verdict. */
    public Verdict verdict() {
        return verdict;
    }

    /** How long it has stood. */
    public Duration judgedFor() {
        return Duration.ofNanos(nanoClock.getAsLong() - verdict.sinceNs());
    }

    private Verdict verdict(Verdict.Kind kind, String cause) {
        return new Verdict(kind, cause, nanoClock.getAsLong());
    }

    /** Whether the last verdict was good: only then may it get requests. */
    public boolean isHealthy() {
        return verdict.kind() == Verdict.Kind.UP;
    }

    /** What it says that it runs; none for a node that is not ours, or not known yet. */
    public Optional<NodeIdentity> identity() {
        return Optional.ofNullable(identity);
    }

    /** Whether it is one of ours, or was when it last served: its answers are those of one of ours also while it is down. */
    public boolean isTandem() {
        return isTandem;
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
        LegReservation reservation = new LegReservation(this, tokens, kv, reservations.incrementAndGet());
        underWay.add(reservation);
        return reservation;
    }

    /** A connection was refused: the node gets no more requests until its prober has seen it alive. */
    public void refusedConnection(String cause) {
        if (!isHung()) { // that verdict is the prober's to change
            markDown(cause);
        }
        suspicion.run();
    }

    /** A connection broke or stayed silent: the prober looks at once, until then nothing changes. */
    public void suspect() {
        suspicion.run();
    }

    /** Remembers what the node says of itself. */
    void identify(Optional<NodeIdentity> said) {
        identity = said.orElse(null);
        isTandem = said.isPresent();
    }

    /** The node lives and may get requests. */
    void markUp() {
        if (!isHealthy()) {
            cancelsHandoffs = true; // it may be another program by now
            verdict = verdict(Verdict.Kind.UP, "");
            NodeIdentity known = identity;
            LOG.info("node up: role={} node={} {}", role.word(), address, known == null ? "foreign" : known);
        }
        for (Runnable action = whenBack.poll(); action != null; action = whenBack.poll()) {
            action.run();
        }
    }

    /**
     * Postpones what a node that hangs would not hear, until it is heard again; then the prober's thread does it.
     *
     * @return false when as much is postponed as may be, so that it will not be done
     */
    public boolean whenBack(Runnable action) {
        boolean isKept = whenBack.offer(action);
        if (!isHung()) {
            suspect(); // it came back meanwhile
        }
        return isKept;
    }

    /** The node lives, but must not get requests. Logged once. */
    void markMisfit(String cause) {
        if (!verdict.cause().equals(cause)) {
            verdict = verdict(Verdict.Kind.MISFIT, cause);
            LOG.error("node left out: role={} node={} cause={}", role.word(), address, cause);
        }
    }

    void markDown(String cause) {
        Verdict before = verdict;
        if (before.kind() == Verdict.Kind.DOWN) {
            return;
        }
        identity = null;
        verdict = verdict(Verdict.Kind.DOWN, cause);
        if (before.kind() == Verdict.Kind.UP) {
            timesDown.increment();
            LOG.warn("node down: role={} node={} cause={}", role.word(), address, cause);
        } else {
            LOG.warn("node left out until it answers: role={} node={} cause={}", role.word(), address, cause);
        }
    }

    /** The node answers nothing: whoever waits for it hears of it. Called by the prober. */
    void markHung(String cause) {
        Verdict before = verdict;
        if (before.kind() == Verdict.Kind.HUNG) {
            return;
        }
        identity = null;
        verdict = verdict(Verdict.Kind.HUNG, cause);
        if (before.kind() == Verdict.Kind.UP) {
            timesDown.increment();
        }
        LOG.warn("node hangs: role={} node={} requests={} cause={}", role.word(), address, underWay.size(), cause);
        underWay.stream()
                .sorted(Comparator.comparingLong(LegReservation::number))
                .forEach(waiting -> waiting.hung(cause)); // in the order in which they came
    }

    /** Whether the last verdict was that it answers nothing. */
    public boolean isHung() {
        return verdict.kind() == Verdict.Kind.HUNG;
    }

    /** Sets what wakes the prober before its time: any thread may run it. */
    public void onSuspicion(Runnable action) {
        suspicion = action;
    }

    void giveBackTokens(long tokens) {
        activeTokens.addAndGet(-tokens);
    }

    void giveBackKv(long kv) {
        activeKv.addAndGet(-kv);
    }

    void left(LegReservation reservation) {
        inFlight.decrementAndGet();
        underWay.remove(reservation);
    }

    @Override
    public String toString() {
        return role.word() + " " + address;
    }
}
