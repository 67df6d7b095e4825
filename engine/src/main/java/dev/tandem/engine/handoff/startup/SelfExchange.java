package dev.tandem.engine.handoff.startup;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
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
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/**
 * A prefill and a decode node with a small private memory each, over runtimes, sockets and ports of their own on the loopback address.
 * Nothing of the process's own runtime is touched.
 */
final class SelfExchange implements AutoCloseable {
    private static final int BLOCKS = 8;
    private static final int BLOCK_SIZE = 16;
    private static final int TOKENS = BLOCKS * BLOCK_SIZE - 1;
    private static final int LAYERS = 24;
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    /** One side. */
    private record Node(HandoffRuntime runtime, KvPool pool, KvConnector connector) implements AutoCloseable {
        static Node start(String engineId, Role role, Connector connector, HandoffRuntime runtime, Runnable wake) {
            var planes = new ArrayList<KvPlane>();
            for (int layer = 0; layer < LAYERS; layer++) {
                planes.add(new KvPlane("k." + layer, DType.BF16, 1, 64, 0, 1));
            }
            var pool = new KvPool(new KvLayout(BLOCK_SIZE, planes), BLOCKS);
            var config = new HandoffConfig(
                    engineId, 0, role, connector, new Peers.FromTicket(1), PATIENCE, PATIENCE, FailurePolicy.FAIL);
            try {
                return new Node(runtime, pool, KvConnectors.start(config, List.of(pool), runtime, wake));
            } catch (RuntimeException e) {
                pool.close();
                runtime.close();
                throw e;
            }
        }

        @Override
        public void close() {
            connector.close();
            runtime.close();
            pool.close();
        }
    }

    private final Connector kind;
    private final Node prefill;
    private final Node decode;
    private final Queue<HandoffTicket> invited; // at most one
    private final Semaphore wakes;

    private SelfExchange(Connector kind, Node prefill, Node decode, Queue<HandoffTicket> invited, Semaphore wakes) {
        this.kind = kind;
        this.prefill = prefill;
        this.decode = decode;
        this.invited = invited;
        this.wakes = wakes;
    }

    /** @throws dev.tandem.engine.request.EngineException UNAVAILABLE when there is no loopback address to do it on */
    static SelfExchange start(Connector kind) {
        String host = InetAddress.getLoopbackAddress().getHostAddress();
        var wakes = new Semaphore(0);
        var invited = new ConcurrentLinkedQueue<HandoffTicket>();
        var prefill = Node.start("warm-up-prefill", Role.PRODUCER, kind, HandoffRuntime.start(host), wakes::release);
        try {
            HandoffRuntime runtime = HandoffRuntime.start(
                    host,
                    host,
                    (invitation, answered) -> { // plays metaserver and gateway
                        if (HandoffParams.parse(invitation.params()) instanceof HandoffRole.Push push) {
                            invited.add(push.target());
                        }
                        answered.accept(Optional.empty());
                        return () -> {};
                    },
                    0);
            var decode = Node.start("warm-up-decode", Role.CONSUMER, kind, runtime, wakes::release);
            return new SelfExchange(kind, prefill, decode, invited, wakes);
        } catch (RuntimeException e) {
            prefill.close();
            throw e;
        }
    }

    /** One exchange of all but one token; false when its time is up before both sides have ended it. */
    boolean carryOut(String requestId) throws InterruptedException {
        long nowNs = System.nanoTime();
        long endNs = nowNs + PATIENCE.toNanos();
        int[] blocks = IntStream.range(0, BLOCKS).toArray();
        var prompt = new PromptBlocks(requestId, new int[TOKENS], 0, blocks, endNs);
        switch (kind) {
            case PULL -> {
                HandoffTicket ticket =
                        prefill.connector().finish(prompt, 0, nowNs).orElseThrow();
                HandoffTicket read = HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
                decode.connector().start(new HandoffRole.Fetch(read), prompt, nowNs);
            }
            case LAYERWISE -> {
                decode.connector().start(new HandoffRole.Receive("warm-up"), prompt, nowNs);
                prefill.connector().start(new HandoffRole.Push(invited.remove()), prompt, nowNs);
                var listener = prefill.connector().layerListener(List.of(new PushProgress(requestId, TOKENS)));
                for (int layer = 0; layer < LAYERS; layer++) {
                    listener.stored(0, layer);
                }
            }
        }
        int ended = 0;
        while (ended < 2) {
            long leftNs = endNs - System.nanoTime();
            if (leftNs <= 0 || !wakes.tryAcquire(leftNs, TimeUnit.NANOSECONDS)) {
                return false;
            }
            ended += prefill.connector().poll(System.nanoTime()).size();
            ended += decode.connector().poll(System.nanoTime()).size();
        }
        return true;
    }

    @Override
    public void close() {
        decode.close();
        prefill.close();
    }
}
