package dev.tandem.ops.simulate;

import dev.tandem.ops.simulate.Faults.Kind;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Hosts and what lies between them: connections with latency and bandwidth, and the faults that a seed brings. Everything is an event of one
 * {@link VirtualTime}; the same seed gives the same run. One thread.
 */
public final class SimulatedNetwork {
    /**
     * What every two hosts have between them.
     *
     * @param latencyNs least time of a message
     * @param jitterNs mean of what is added to it
     * @param bytesPerSecond of one connection, each way
     */
    public record Link(long latencyNs, long jitterNs, long bytesPerSecond) {}

    /** By so much a fault may delay what was about to happen. */
    public static final long LONGEST_DELAY_NS = 5_000_000_000L;

    /** Hears nothing. */
    public static final Consumer<String> NO_TRACE = line -> {};

    private static final Set<Kind> OF_HOSTS = Set.of(Kind.DELAY, Kind.HANG, Kind.CRASH);
    private static final Set<Kind> OF_CONNECTIONS = Set.of(Kind.values());
    private static final long CLOCK_RANGE_NS = 1_000_000_000_000_000L;
    private static final long SECOND = 1_000_000_000L;
    private static final long LONGEST_REORDER_NS = SECOND / 100;
    private static final long LONGEST_PARTITION_NS = 20 * SECOND;
    private static final long LONGEST_HANG_NS = 20 * SECOND;
    private static final long LONGEST_DOWN_NS = 10 * SECOND;

    /** A port that is listened to. */
    private record Port(
            SimulatedHost host, int life, Function<SimulatedConnection, SimulatedConnection.Handler> handlers) {}

    /** Two hosts that do not reach each other; either order. */
    private record Pair(String one, String other) {
        static Pair of(String one, String other) {
            return one.compareTo(other) < 0 ? new Pair(one, other) : new Pair(other, one);
        }
    }

    private final VirtualTime time = new VirtualTime();
    private final SplittableRandom random;
    private final Faults faults;
    private final Link link;
    private final Consumer<String> trace;
    private final Map<String, SimulatedHost> hosts = new LinkedHashMap<>();
    private final Map<String, Port> ports = new HashMap<>(); // by address:port
    private final Set<SimulatedConnection> ends = new LinkedHashSet<>(); // of connections that live
    private final Map<Pair, Long> healNs = new HashMap<>(); // of partitions

    /**
     * @param random what latencies and clocks are drawn from
     * @param trace gets a line for whatever happens
     */
    public SimulatedNetwork(SplittableRandom random, Faults faults, Link link, Consumer<String> trace) {
        this.random = random;
        this.faults = faults;
        this.link = link;
        this.trace = trace;
    }

    public VirtualTime time() {
        return time;
    }

    public Faults faults() {
        return faults;
    }

    /** What chance decides outside of faults is drawn from here. */
    public SplittableRandom random() {
        return random;
    }

    /** One line of the run's story. */
    public void trace(Object who, String what) {
        if (trace.equals(NO_TRACE)) {
            return; // most runs: the line costs more than what it tells
        }
        trace.accept(String.format("%14.6f %-14s %s", time.nowNs() / 1e9, who, what));
    }

    /**
     * Adds a host and starts it.
     *
     * @param boot starts its process, in this life and in those after a crash
     */
    public SimulatedHost host(String address, Consumer<SimulatedHost> boot) {
        return add(new SimulatedHost(this, address, false, boot));
    }

    /** Adds a host that neither hangs nor crashes, and starts it. */
    public SimulatedHost steadyHost(String address) {
        return add(new SimulatedHost(this, address, true, started -> {}));
    }

    private SimulatedHost add(SimulatedHost host) {
        if (hosts.putIfAbsent(host.address(), host) != null) {
            throw new IllegalArgumentException("two hosts with address " + host.address());
        }
        host.start();
        return host;
    }

    /**
     * Lets others connect, for the host's present life.
     *
     * @param handlers makes the handler of each connection
     */
    public void listen(
            SimulatedHost host, int port, Function<SimulatedConnection, SimulatedConnection.Handler> handlers) {
        ports.put(host.address() + ":" + port, new Port(host, host.life(), handlers));
    }

    /** Connections are refused from now on; those that are open stay. */
    public void stopListening(SimulatedHost host, int port) {
        ports.remove(host.address() + ":" + port);
    }

    /**
     * Begins to connect; the handler hears when messages may be sent, or that nobody is there. A host that is cut off or gone says nothing.
     *
     * @param protocol what will be spoken, for counts and traces
     */
    public SimulatedConnection connect(
            SimulatedHost from,
            String address,
            int port,
            String protocol,
            Function<SimulatedConnection, SimulatedConnection.Handler> handlers) {
        var near = new SimulatedConnection(this, from, address, protocol);
        near.handleBy(handlers.apply(near));
        ends.add(near);
        time.at(time.nowNs() + latencyNs(), () -> knock(near, address, port, true));
        return near;
    }

    /** What was sent to open a connection comes to the host that it is for. */
    private void knock(SimulatedConnection near, String address, int port, boolean isFirst) {
        SimulatedHost target = hosts.get(address);
        if (near.isClosed() || target == null) {
            return;
        }
        long waitNs = isFirst ? faultOnConnect(near, target) : 0;
        waitNs = Math.max(waitNs, obstacle(target, near.host().address()));
        if (waitNs == Long.MAX_VALUE || near.isClosed()) {
            return;
        }
        if (waitNs > 0) {
            time.at(time.nowNs() + waitNs, () -> knock(near, address, port, false));
            return;
        }
        Port listening = ports.get(address + ":" + port);
        if (listening == null || !listening.host().isIn(listening.life())) {
            near.expect(" end", latencyNs(), () -> near.end("connection refused"));
            return;
        }
        var far = new SimulatedConnection(this, target, near.host().address(), near.protocol());
        far.joinTo(near);
        far.handleBy(listening.handlers().apply(far));
        ends.add(far);
        near.expect(" opening", latencyNs(), near::open);
        far.open();
    }

    private long faultOnConnect(SimulatedConnection near, SimulatedHost target) {
        Optional<Kind> fault = faults.draw(near.protocol() + " connecting", time.nowNs(), possible(target));
        if (fault.isPresent() && fault.get() == Kind.LOSS) {
            trace(near, "is lost");
            return Long.MAX_VALUE;
        }
        if (fault.isPresent() && fault.get() == Kind.RESET) {
            near.expect(" end", latencyNs(), () -> near.end("connection refused"));
            return Long.MAX_VALUE;
        }
        return fault.isPresent() ? strike(fault.get(), target, near.host().address(), near) : 0;
    }

    private static Set<Kind> possible(SimulatedHost host) {
        return host.isSteady()
                ? Set.of(Kind.LOSS, Kind.RESET, Kind.DELAY, Kind.REORDER, Kind.PARTITION)
                : OF_CONNECTIONS;
    }

    /** How long what is about to happen on a host has to wait; draws a fault first. */
    long delay(SimulatedHost host, String point) {
        Optional<Kind> fault = host.isSteady() ? Optional.empty() : faults.draw(point, time.nowNs(), OF_HOSTS);
        long ownNs = fault.isPresent() ? strike(fault.get(), host, host.address(), point) : 0;
        return Math.max(ownNs, host.hungUntilNs() - time.nowNs());
    }

    /** The same for what is about to arrive at an end. */
    long delay(SimulatedConnection end, String point) {
        Optional<Kind> fault = faults.draw(point, time.nowNs(), possible(end.host()));
        if (fault.isEmpty()) {
            return obstacle(end);
        }
        switch (fault.get()) {
            case LOSS -> {
                trace(end, "is lost");
                end.silence();
                return 0;
            }
            case RESET -> {
                trace(end, "is reset");
                end.reset();
                return 0;
            }
            case DELAY, REORDER, PARTITION, HANG, CRASH -> {
                return Math.max(strike(fault.get(), end.host(), end.remoteAddress(), end), obstacle(end));
            }
        }
        throw new IllegalStateException("no such fault: " + fault.get());
    }

    /** Lets a fault of a host, or between two, come; gives how long it delays what was about to happen. */
    private long strike(Kind kind, SimulatedHost host, String other, Object what) {
        return switch (kind) {
            case DELAY -> {
                long durationNs = faults.duration(LONGEST_DELAY_NS);
                trace(host.address(), what + " is delayed by " + durationNs / 1000 + " us");
                yield durationNs;
            }
            case REORDER -> faults.duration(LONGEST_REORDER_NS);
            case PARTITION -> {
                cut(host.address(), other, faults.duration(LONGEST_PARTITION_NS));
                yield 0;
            }
            case HANG -> {
                host.hang(faults.duration(LONGEST_HANG_NS));
                yield 0;
            }
            case CRASH -> {
                if (host.isUp()) {
                    host.crash(faults.duration(LONGEST_DOWN_NS), faults.coin());
                }
                yield 0;
            }
            case LOSS, RESET -> throw new IllegalStateException(kind + " of a host");
        };
    }

    /** Two hosts do not reach each other for so long. */
    public void cut(String one, String other, long durationNs) {
        trace(one, "is cut off from " + other + " for " + durationNs / 1_000_000 + " ms");
        healNs.merge(Pair.of(one, other), time.nowNs() + durationNs, Math::max);
    }

    /** How long what has come to an end has to wait; never comes {@link Long#MAX_VALUE}. */
    long obstacle(SimulatedConnection end) {
        return obstacle(end.host(), end.remoteAddress());
    }

    /** Whether what another host sends comes to this one's process now. */
    public boolean isReachable(SimulatedHost host, String other) {
        return obstacle(host, other) == 0;
    }

    private long obstacle(SimulatedHost host, String other) {
        long nowNs = time.nowNs();
        long healedNs = healNs.getOrDefault(Pair.of(host.address(), other), nowNs);
        if (!host.isUp() && host.isGone()) {
            return host.upAgainNs() == Long.MAX_VALUE ? Long.MAX_VALUE : Math.max(healedNs, host.upAgainNs()) - nowNs;
        }
        return Math.max(0, Math.max(healedNs, host.isUp() ? host.hungUntilNs() : nowNs) - nowNs);
    }

    /** The processes of a host have ended. */
    void died(SimulatedHost host) {
        for (SimulatedConnection end : List.copyOf(ends)) {
            if (end.host().equals(host)) {
                end.died(host.isGone());
            }
        }
    }

    void forget(SimulatedConnection end) {
        ends.remove(end);
    }

    long wireNs(long bytes) {
        return (long) (bytes * 1e9 / link.bytesPerSecond());
    }

    long latencyNs() {
        return link.latencyNs() + (long) (-Math.log(1 - random.nextDouble()) * link.jitterNs());
    }

    long drawClock() {
        return random.nextLong(-CLOCK_RANGE_NS, CLOCK_RANGE_NS);
    }

    /** Connections of a host that live, in this life of it. */
    public int connections(SimulatedHost host) {
        int count = 0;
        for (SimulatedConnection end : ends) {
            count += end.host().equals(host) ? 1 : 0;
        }
        return count;
    }
}
