package dev.tandem.ops.simulate;

import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.SteppedEngine;
import dev.tandem.engine.SteppedEngine.Step;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.lease.AddressSpace;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.runtime.HandoffRuntime.Machine;
import dev.tandem.engine.handoff.runtime.Sums;
import dev.tandem.engine.handoff.startup.KvConnectors;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvPool;
import dev.tandem.trust.PeerTrust;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One life of a serving process: the real engine loop, scheduler, blocks, connector and leases, with a {@link SimulatedModel} that takes the
 * time that {@link StepCosts} say, over simulated connections. Made when its host boots; when the host crashes, nothing of it happens any
 * more. Its KV memory is to be closed when nothing runs any more.
 */
public final class SimulatedNode implements AutoCloseable {
    /**
     * What a node is started with, in each of its lives.
     *
     * @param engine its engine's settings
     * @param ranks tensor ranks
     * @param blocks KV blocks
     * @param blockSize tokens per block
     * @param costs how long steps take
     */
    public record Setup(EngineConfig engine, int ranks, int blocks, int blockSize, StepCosts costs) {}

    private static final long ROUND_NS = 10_000; // of the loop itself
    private static final long SUM_NS = 200_000;
    private static final int MOST_IDLE_ROUNDS = 100;

    private final SimulatedHost host;
    private final Setup setup;
    private final List<KvPool> pools = new ArrayList<>(); // [ranks]
    private final SimulatedModel model;
    private final Counters<HandoffCounter> handoffs = new Counters<>(HandoffCounter.class);
    private final SimulatedSideChannel channel;
    private final SimulatedTransfers transfers;
    private final HandoffRuntime runtime;
    private final SteppedEngine engine;
    private final Map<TokenQueue, Consumer<TokenEvent>> streams = new LinkedHashMap<>();
    private final Set<String> cancelled = new HashSet<>(); // requests that nobody will fetch the KV of
    private boolean isInRound;
    private boolean isWoken; // a round is due, or one more after the present one
    private int idleRounds; // rounds in a row that did nothing although one was due
    private VirtualTime.@Nullable Event alarm;

    /**
     * Starts it.
     *
     * @param messenger carries invitations of layerwise pushes
     * @param mover makes what moves bytes
     * @throws EngineException when the real parts refuse the setup
     */
    public SimulatedNode(
            SimulatedHost host,
            Setup setup,
            Invitation.Messenger messenger,
            Function<SimulatedHost, SimulatedTransfers> mover) {
        this.host = host;
        this.setup = setup;
        for (int rank = 0; rank < setup.ranks(); rank++) {
            pools.add(new KvPool(SimulatedModel.layout(rank, setup.ranks(), setup.blockSize()), setup.blocks()));
        }
        this.model = new SimulatedModel(pools);
        HandoffLimits limits = HandoffLimits.standard();
        this.channel = new SimulatedSideChannel(host, limits, handoffs);
        this.transfers = mover.apply(host);
        var machine = new Machine(
                host.address(), host.address(), host.network().random().split(), () -> new SimulatedSums(host));
        this.runtime = new HandoffRuntime(
                machine, PeerTrust.everybody(), messenger, limits, handoffs, transfers, channel, AddressSpace.SMALL);
        this.engine = new SteppedEngine(
                setup.engine(),
                SimulatedModel.config(),
                pools.getFirst(),
                wake -> connect(setup.engine().handoff(), wake),
                this::wake,
                host::nowNs);
    }

    private Optional<KvConnector> connect(Optional<HandoffConfig> handoff, Runnable wake) {
        return handoff.map(config -> KvConnectors.start(config, pools, runtime, wake));
    }

    /** Sums KV memory a little later, one prompt after the other. */
    private static final class SimulatedSums implements Sums {
        private final SimulatedHost host;
        private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();

        SimulatedSums(SimulatedHost host) {
            this.host = host;
        }

        @Override
        public <T> boolean offer(Supplier<T> sums, Outcome<T> outcome) {
            waiting.add(() -> outcome.summed(sums.get()));
            if (waiting.size() == 1) {
                host.after(SUM_NS, "sum", this::next);
            }
            return true;
        }

        private void next() {
            Runnable sum = waiting.peek();
            if (sum != null) {
                sum.run();
                waiting.remove();
                if (!waiting.isEmpty()) {
                    host.after(SUM_NS, "sum", this::next);
                }
            }
        }

        @Override
        public void close() {
            waiting.clear();
        }
    }

    /**
     * Submits a request.
     *
     * @param onEvent gets its tokens and its end, as they come
     * @return what closes its stream: the client wants no more
     * @throws EngineException when it is refused
     */
    public TokenQueue submit(Request request, Consumer<TokenEvent> onEvent) {
        TokenQueue stream = engine.submit(request);
        streams.put(stream, onEvent);
        return stream;
    }

    /** Nobody will fetch the KV of a request, which may not have been computed yet. */
    public void cancelLease(String requestId) {
        cancelled.add(requestId);
        engine.cancelLease(requestId);
    }

    /** Whether somebody has said that nobody will fetch the KV of a request. */
    boolean isCancelled(String requestId) {
        return cancelled.contains(requestId);
    }

    public EngineStatus status() {
        return engine.status();
    }

    /** What its exchanges counted in this life. */
    private Map<HandoffCounter, Long> handoffs() {
        return handoffs.snapshot();
    }

    /** What engines and their exchanges counted, added up. */
    public static Map<String, Long> counters(List<SimulatedNode> nodes) {
        var sums = new TreeMap<String, Long>();
        for (SimulatedNode node : nodes) {
            node.status().counters().forEach((counter, value) -> sums.merge(counter.name(), value, Long::sum));
            node.handoffs().forEach((counter, value) -> sums.merge(counter.name(), value, Long::sum));
        }
        return sums;
    }

    public SimulatedHost host() {
        return host;
    }

    private void wake() {
        if (!isWoken) {
            isWoken = true;
            if (!isInRound) {
                scheduleRound();
            }
        }
    }

    private void scheduleRound() {
        host.after(ROUND_NS, "engine round", this::round);
    }

    private void round() {
        isWoken = false;
        isInRound = true;
        if (alarm != null) {
            alarm.cancel();
            alarm = null;
        }
        Optional<Step> step = engine.begin();
        if (step.isEmpty()) {
            end(null);
            return;
        }
        long layerNs = setup.costs().of(step.get().batch()) / SimulatedModel.LAYERS;
        host.after(layerNs, "engine layer", () -> layer(step.get(), 0, layerNs));
    }

    private void layer(Step step, int layer, long layerNs) {
        if (setup.ranks() == 1 && step.isUnwanted().getAsBoolean()) {
            end(null);
            return;
        }
        model.write(step.batch(), layer);
        for (int rank = 0; rank < setup.ranks(); rank++) {
            step.listener().stored(rank, layer);
        }
        if (layer + 1 < SimulatedModel.LAYERS) {
            host.after(layerNs, "engine layer", () -> layer(step, layer + 1, layerNs));
        } else {
            end(model.logits(step.batch()));
        }
    }

    private void end(@Nullable Matrix logits) {
        boolean isDueAgain = engine.end(logits);
        isInRound = false;
        engine.checkIntegrity();
        requireIntegrity();
        deliver();
        if (isDueAgain || isWoken) {
            idleRounds = 0;
            isWoken = true;
            scheduleRound();
            return;
        }
        long dueNs = engine.nextDeadlineNs();
        if (dueNs == Long.MAX_VALUE) {
            return;
        }
        if (dueNs - host.nowNs() <= 0 && ++idleRounds > MOST_IDLE_ROUNDS) {
            throw new IllegalStateException(host + ": the engine loop spins: its deadline lies "
                    + (host.nowNs() - dueNs) + " ns behind, and it does nothing");
        }
        alarm = host.at(dueNs, "engine deadline", this::wake);
    }

    private void requireIntegrity() {
        EngineStatus now = engine.status();
        if (now.counters().getOrDefault(EngineCounter.INTEGRITY_FAILURES, 0L) != 0) {
            throw new IllegalStateException(host + ": blocks are not as their owners say: " + now.blocks());
        }
    }

    private void deliver() {
        for (var entry : new ArrayList<>(streams.entrySet())) {
            TokenQueue stream = entry.getKey();
            Optional<TokenEvent> event = next(stream);
            while (event.isPresent()) {
                boolean isLast = !(event.get() instanceof TokenEvent.Token);
                if (isLast) {
                    streams.remove(stream);
                }
                entry.getValue().accept(event.get());
                event = isLast ? Optional.empty() : next(stream);
            }
        }
    }

    private static Optional<TokenEvent> next(TokenQueue stream) {
        try {
            return stream.poll();
        } catch (InterruptedException e) {
            throw new IllegalStateException("nobody interrupts a simulation", e);
        }
    }

    /** One sentence for whatever is not at rest. */
    public List<String> faultsAtRest() {
        var faults = new ArrayList<String>();
        EngineStatus now = engine.status();
        if (now.blocks().free() != now.blocks().total() || now.blocks().lent() != 0) {
            faults.add(host + ": blocks are held: " + now.blocks());
        }
        if (!now.load().equals(new EngineStatus.Load(0, 0, 0, 0))) {
            faults.add(host + ": sequences live: " + now.load());
        }
        if (engine.nextDeadlineNs() != Long.MAX_VALUE) {
            faults.add(host + ": a deadline is set");
        }
        if (transfers.open() != 0) {
            faults.add(host + ": " + transfers.open() + " transfers or accesses are open");
        }
        if (!channel.isIdle() || !runtime.peers().isIdle()) {
            faults.add(host + ": the side channel asks");
        }
        if (engine.handoffs() != 0) {
            faults.add(host + ": " + engine.handoffs() + " handoffs have not ended");
        }
        if (engine.liveIds() != 0 || !streams.isEmpty()) {
            faults.add(host + ": " + engine.liveIds() + " ids and " + streams.size() + " streams live");
        }
        return faults;
    }

    /** Gives the KV memory back. */
    @Override
    public void close() {
        pools.forEach(KvPool::close);
    }
}
