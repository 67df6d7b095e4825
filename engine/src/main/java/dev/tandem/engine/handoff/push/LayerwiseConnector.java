package dev.tandem.engine.handoff.push;

import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.runtime.InFlightTransfers;
import dev.tandem.engine.handoff.runtime.LentMemory;
import dev.tandem.engine.handoff.runtime.PeerNotices;
import dev.tandem.engine.handoff.runtime.Sums;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Region.Operation;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * P writes each layer of a prompt into D's memory while it computes the next: vllm-ascend's MooncakeLayerwiseConnector. D's half is a {@link
 * PushReceiver}: it lends blocks for writing and has the prefill node invited. P's half is a {@link PushSender}.
 */
public final class LayerwiseConnector implements KvConnector {
    /** How long closing waits for writes out of this replica's pools to end; they have been cancelled. */
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(60);

    private final HandoffConfig config;
    private final List<KvPool> pools; // [tensor ranks]
    private final HandoffRuntime runtime;
    private final PushReceiver receiver;
    private final LentMemory memory;
    private final PushSender sender;
    private final PeerNotices notices;
    private final Sums sums;

    private LayerwiseConnector(
            HandoffConfig config,
            List<KvPool> pools,
            HandoffRuntime runtime,
            PushReceiver receiver,
            LentMemory memory,
            PushSender sender,
            PeerNotices notices,
            Sums sums) {
        this.config = config;
        this.pools = pools;
        this.runtime = runtime;
        this.receiver = receiver;
        this.memory = memory;
        this.sender = sender;
        this.notices = notices;
        this.sums = sums;
    }

    /**
     * Binds one side-channel port per rank, unless this node only pushes.
     *
     * @param pools by tensor rank; with equal block size and block count, since a block id means the same in all of them
     * @param runtime of the process; closed by who started it, after this
     * @param wakeLoop called from any thread when {@link #poll} has something; must not block
     * @throws EngineException UNAVAILABLE naming host and port when a port cannot be bound
     */
    public static LayerwiseConnector start(
            HandoffConfig config, List<KvPool> pools, HandoffRuntime runtime, Runnable wakeLoop) {
        String incarnation = runtime.drawIncarnation();
        var directory = new LeaseDirectory();
        Sums sums = runtime.sums();
        var receiver = new PushReceiver(
                config,
                List.copyOf(pools),
                runtime.messenger(),
                incarnation,
                runtime.virtualIds(directory),
                runtime.counters(),
                sums,
                wakeLoop);
        var memory = LentMemory.open(
                config,
                pools,
                runtime,
                directory,
                incarnation,
                receiver::quiesced,
                (report, at) -> receiver.hear(report));
        var writes = new InFlightTransfers(runtime.channel(), Operation.WRITE, runtime.transfers()::write);
        var notices = new PeerNotices(runtime.channel(), SideChannelDialect.of(config), runtime.counters());
        var sender = new PushSender(config, List.copyOf(pools), runtime, writes, notices, sums, wakeLoop);
        return new LayerwiseConnector(config, List.copyOf(pools), runtime, receiver, memory, sender, notices, sums);
    }

    /** The port that rank 0's side channel listens on; those of the other ranks follow. */
    public int sideChannelPort() {
        return memory.sideChannelPort();
    }

    /** D: lends the blocks behind the cached ones and has them written; P: begins to write a prompt that is about to be computed. */
    @Override
    public void start(HandoffRole role, PromptBlocks prompt, long nowNs) {
        prompt.requireIn(pools.getFirst());
        switch (role) {
            case HandoffRole.Receive receive -> {
                runtime.requireAnswering();
                receiver.start(receive.metaserver(), prompt, runtime.host(), memory.sideChannelPort(), nowNs);
            }
            case HandoffRole.Push push -> sender.start(push.target(), prompt);
            case HandoffRole.None none -> throw notAdmitted(role, prompt);
            case HandoffRole.Lend lend -> throw notAdmitted(role, prompt);
            case HandoffRole.Fetch fetch -> throw notAdmitted(role, prompt);
        }
    }

    private static IllegalStateException notAdmitted(HandoffRole role, PromptBlocks prompt) {
        return new IllegalStateException("request " + prompt.requestId() + " was admitted as " + role + " to a push");
    }

    /** P: the client is answered when the decode node has acknowledged all of it. */
    @Override
    public Optional<HandoffTicket> finish(PromptBlocks prompt, int lastTokenId, long nowNs) {
        return Optional.empty();
    }

    /** P: each layer of these prompts is written as soon as a rank has stored it. */
    @Override
    public LayerListener layerListener(List<PushProgress> prompts) {
        return sender.layerListener(prompts);
    }

    @Override
    public void cancel(String requestId, String reason) {
        receiver.cancel(requestId, reason);
        sender.cancel(requestId, reason);
    }

    @Override
    public void decline(String requestId, HandoffRole role, String reason) {
        notices.decline(requestId, role, reason);
    }

    @Override
    public List<HandoffEvent> poll(long nowNs) {
        runtime.requireAlive();
        var events = new ArrayList<HandoffEvent>(0);
        receiver.poll(nowNs, events);
        sender.poll(events);
        return events;
    }

    @Override
    public int underWay() {
        return receiver.underWay() + sender.underWay();
    }

    @Override
    public long nextDeadlineNs() {
        return receiver.nextDeadlineNs();
    }

    @Override
    public void close() {
        receiver.cancelAll();
        boolean isQuiet = sender.close(CLOSE_LIMIT);
        memory.close();
        sums.close();
        if (!isQuiet) {
            throw new IllegalStateException("writes out of the KV memory of engine " + config.engineId()
                    + " have not ended after " + CLOSE_LIMIT);
        }
    }

    @Override
    public String toString() {
        return "layerwise push " + config.engineId() + " role=" + config.role() + " ranks=" + pools.size()
                + " side channel " + runtime.sideChannelHost() + ":" + sideChannelPort() + " transfer engine "
                + runtime.transfers().segmentName() + " lease-bits="
                + runtime.addressSpace().bits();
    }
}
