package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Exchanges a small private memory with itself, over hubs, sockets and ports of its own on the loopback address, so that the first
 * request of a fresh process does not pay for loading and compiling the code of both sides. Nothing of the process's own hub is touched.
 */
final class HandoffWarmUp implements AutoCloseable {
    private static final int BLOCKS = 8;
    private static final int BLOCK_SIZE = 16;
    private static final int TOKENS = BLOCKS * BLOCK_SIZE - 1;
    private static final int LAYERS = 24;
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private final Connector connector;
    private final HandoffRuntime prefillHub;
    private final HandoffRuntime decodeHub;
    private final Queue<HandoffTicket> invited = new ConcurrentLinkedQueue<>(); // at most one
    private final List<KvPool> pools = new ArrayList<>();
    private final Semaphore wakes = new Semaphore(0);

    private HandoffWarmUp(Connector connector, String host) {
        this.connector = connector;
        this.prefillHub = HandoffRuntime.startCold(HandoffRuntime.Setup.of(host), HandoffLimits.standard());
        this.decodeHub =
                HandoffRuntime.startCold(new HandoffRuntime.Setup(host, this::invite, 0), HandoffLimits.standard());
    }

    /** Plays metaserver and gateway. */
    private void invite(Invitation invitation, Consumer<Optional<String>> answered) {
        if (HandoffParams.parse(invitation.params()) instanceof HandoffRole.Push push) {
            invited.add(push.target());
        }
        answered.accept(Optional.empty());
    }

    /**
     * Exchanges once, and then again until the budget is spent.
     *
     * @param connector reads, or writes layer by layer
     * @param budget from the first exchange's end on; that one takes what a cold process needs, some 0.5 s
     * @param isUnwanted asked between exchanges: true ends the warm-up
     * @return exchanges that were completed
     * @throws dev.tandem.engine.request.EngineException UNAVAILABLE when there is no loopback address to do it on
     */
    static int run(Connector connector, Duration budget, BooleanSupplier isUnwanted) throws InterruptedException {
        try (var warmUp =
                new HandoffWarmUp(connector, InetAddress.getLoopbackAddress().getHostAddress())) {
            return warmUp.exchange(budget.toNanos(), isUnwanted);
        }
    }

    private int exchange(long budgetNs, BooleanSupplier isUnwanted) throws InterruptedException {
        try (var prefill = start("warm-up-prefill", Role.PRODUCER, prefillHub);
                var decode = start("warm-up-decode", Role.CONSUMER, decodeHub)) {
            if (!exchange("warm-up", prefill, decode)) {
                return 0;
            }
            int done = 1;
            long endNs = System.nanoTime() + budgetNs;
            while (!isUnwanted.getAsBoolean()
                    && endNs - System.nanoTime() > 0
                    && exchange("warm-up-" + done, prefill, decode)) {
                done++;
            }
            return done;
        }
    }

    private Handoff start(String engineId, Role role, HandoffRuntime hub) {
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < LAYERS; layer++) {
            planes.add(new KvPlane("k." + layer, DType.BF16, 1, 64, 0, 1));
        }
        var pool = new KvPool(new KvLayout(BLOCK_SIZE, planes), BLOCKS);
        pools.add(pool);
        return Handoff.startQuietly(
                new HandoffConfig(
                        engineId, 0, role, connector, new Peers.FromTicket(1), PATIENCE, PATIENCE, FailurePolicy.FAIL),
                List.of(pool),
                hub,
                wakes::release);
    }

    /** One exchange of all but one token; false when its time is up before both sides have ended it. */
    private boolean exchange(String requestId, Handoff prefill, Handoff decode) throws InterruptedException {
        int[] blocks = IntStream.range(0, BLOCKS).toArray();
        long nowNs = System.nanoTime();
        long endNs = nowNs + PATIENCE.toNanos();
        switch (connector) {
            case PULL -> {
                HandoffTicket ticket = prefill.lend(requestId, blocks, 0, nowNs);
                HandoffTicket read = HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
                decode.fetch(requestId, read, TOKENS, 0, blocks, nowNs);
            }
            case LAYERWISE -> {
                var prompt = new PromptBlocks(requestId, TOKENS, 0, blocks);
                decode.receive(prompt, new Invitation.Draft("warm-up", Map.of(), endNs), nowNs);
                prefill.push(prompt, invited.remove());
                for (int layer = 0; layer < LAYERS; layer++) {
                    prefill.stored(List.of(new PushProgress(requestId, TOKENS)), 0, layer);
                }
            }
        }
        int ended = 0;
        while (ended < 2) {
            long leftNs = endNs - System.nanoTime();
            if (leftNs <= 0 || !wakes.tryAcquire(leftNs, TimeUnit.NANOSECONDS)) {
                return false;
            }
            ended += prefill.poll(System.nanoTime()).size();
            ended += decode.poll(System.nanoTime()).size();
        }
        return true;
    }

    @Override
    public void close() {
        decodeHub.close();
        prefillHub.close();
        pools.forEach(KvPool::close);
    }
}
