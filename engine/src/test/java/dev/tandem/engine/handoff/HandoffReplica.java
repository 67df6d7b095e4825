package dev.tandem.engine.handoff;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** One data-parallel replica with all its sockets real: a pool for each rank, and the engine loop's waiting for events. */
public final class HandoffReplica implements AutoCloseable {
    static final String HOST = "127.0.0.1";
    static final int PROMPT = 75;
    static final Duration LEASE = Duration.ofSeconds(60);
    static final Duration FETCH = Duration.ofSeconds(20);
    private static final int BLOCKS = 12;

    final List<KvPool> pools = new ArrayList<>();
    final HandoffRuntime runtime;
    final TestConnector handoff;
    private final Semaphore wakes = new Semaphore(0);
    private final ArrayDeque<HandoffEvent> unread = new ArrayDeque<>();

    /** @param layouts by rank */
    HandoffReplica(HandoffConfig config, HandoffRuntime runtime, List<KvLayout> layouts) {
        this.runtime = runtime;
        layouts.forEach(layout -> pools.add(new KvPool(layout, BLOCKS)));
        this.handoff = TestConnector.start(config, pools, runtime, wakes::release);
    }

    /** A replica's part with the usual deadlines. */
    public static HandoffConfig config(String engineId, int port, Role role, Connector connector, Peers peers) {
        return new HandoffConfig(engineId, port, role, connector, peers, LEASE, FETCH, FailurePolicy.FAIL);
    }

    /** Blocks for the prompt, in descending order. */
    int[] blocks() {
        int[] blocks = new int[pools.getFirst().layout().blocksFor(PROMPT)];
        for (int block = 0; block < blocks.length; block++) {
            blocks[block] = blocks.length - block;
        }
        return blocks;
    }

    /** Writes the prompt into every rank's pool. */
    void write(int[] blocks, long seed) {
        pools.forEach(pool -> KvFixtures.write(pool, blocks, 0, PROMPT, seed));
    }

    /** Of all ranks. */
    long tokenBytes() {
        return pools.stream().mapToLong(pool -> pool.layout().tokenBytes()).sum();
    }

    /** Every rank holds tokens {@code [from, PROMPT)} of the prompt, and nothing else. */
    void assertHolds(int[] blocks, int from, long seed) {
        for (KvPool pool : pools) {
            try (var expected = new KvPool(pool.layout(), pool.blockCount())) {
                KvFixtures.write(expected, blocks, from, PROMPT, seed);
                assertThat(KvFixtures.snapshot(pool)).isEqualTo(KvFixtures.snapshot(expected));
            }
        }
    }

    /** Asks a side channel and waits for the answer. */
    byte[] ask(String host, int port, byte[] message) {
        var answer = new CompletableFuture<byte[]>();
        String endpoint = SideChannel.endpoint(host, Integer.toString(port));
        runtime.channel()
                .execute(() -> runtime.channel()
                        .client()
                        .ask(endpoint, message, answer::complete, answer::completeExceptionally));
        return answer.orTimeout(10, TimeUnit.SECONDS).join();
    }

    HandoffEvent next() {
        while (unread.isEmpty()) {
            try {
                assertThat(wakes.tryAcquire(60, TimeUnit.SECONDS)).as("woken").isTrue();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            unread.addAll(handoff.poll(0));
        }
        return unread.remove();
    }

    @Override
    public void close() {
        handoff.close();
        pools.forEach(KvPool::close);
    }
}
