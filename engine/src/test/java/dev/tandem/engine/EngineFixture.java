package dev.tandem.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.kv.KvPool;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;

/** An engine over a {@link FakeModel} and a {@link FakeConnector}, and the words in which tests speak of it. */
final class EngineFixture implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(30);
    static final int BLOCK_SIZE = 4;

    /** What a test may choose. */
    record Setup(
            int batchedTokens,
            int sequences,
            int waiting,
            int blocks,
            boolean caches,
            FailurePolicy policy,
            Connector connector) {
        static Setup usual() {
            return new Setup(64, 8, 64, 256, true, FailurePolicy.RECOMPUTE, Connector.PULL);
        }

        Setup withBatchedTokens(int tokens) {
            return new Setup(tokens, sequences, waiting, blocks, caches, policy, connector);
        }

        Setup withSequences(int count) {
            return new Setup(batchedTokens, count, waiting, blocks, caches, policy, connector);
        }

        Setup withWaiting(int count) {
            return new Setup(batchedTokens, sequences, count, blocks, caches, policy, connector);
        }

        Setup withBlocks(int count) {
            return new Setup(batchedTokens, sequences, waiting, count, caches, policy, connector);
        }

        Setup withoutCache() {
            return new Setup(batchedTokens, sequences, waiting, blocks, false, policy, connector);
        }

        Setup layerwise() {
            return new Setup(batchedTokens, sequences, waiting, blocks, caches, policy, Connector.LAYERWISE);
        }

        Setup failing() {
            return new Setup(batchedTokens, sequences, waiting, blocks, caches, FailurePolicy.FAIL, connector);
        }
    }

    /** Everything that a stream gave. */
    record Outcome(List<Integer> tokens, TokenEvent end) {
        Finished finished() {
            assertThat(end).isInstanceOf(Finished.class);
            return (Finished) end;
        }

        EngineException failure() {
            assertThat(end).isInstanceOf(TokenEvent.Failed.class);
            return ((TokenEvent.Failed) end).cause();
        }
    }

    final FakeModel model = new FakeModel();
    final FakeConnector handoff;
    final Engine engine;

    EngineFixture(Setup setup) {
        var pool = new KvPool(FakeModel.layout(BLOCK_SIZE), setup.blocks());
        var exchange = new HandoffConfig(
                "me",
                0,
                Role.BOTH,
                setup.connector(),
                new Peers.FromTicket(1),
                Duration.ofMinutes(1),
                Duration.ofMinutes(1),
                setup.policy());
        var config = new EngineConfig(
                512,
                new BatchLimits(setup.batchedTokens(), setup.sequences(), setup.waiting(), true),
                setup.caches(),
                1,
                Optional.of(exchange));
        var made = new FakeConnector[1];
        this.engine = Engine.start(config, EngineParts.single(model, pool), Duration.ofMillis(20), wake -> {
            made[0] = new FakeConnector(pool, wake);
            return Optional.of(made[0]);
        });
        this.handoff = made[0];
    }

    /** Pseudo-random token ids without the end token. */
    static int[] prompt(int length, int seed) {
        var random = new SplittableRandom(seed);
        var ids = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = random.nextInt(FakeModel.END_TOKEN);
        }
        return ids;
    }

    static SamplingOptions greedy(int tokens) {
        return SamplingOptions.greedy(tokens).ignoringEndOfText();
    }

    TokenStream submit(String id, int[] prompt, int maxTokens) {
        return submit(id, prompt, maxTokens, new HandoffRole.None());
    }

    TokenStream submit(String id, int[] prompt, int maxTokens, HandoffRole role) {
        return engine.submit(new Request(id, prompt, greedy(maxTokens), role, PATIENCE));
    }

    TokenStream lend(String id, int[] prompt) {
        return submit(id, prompt, 16, new HandoffRole.Lend());
    }

    TokenStream fetch(String id, int[] prompt, int maxTokens) {
        return submit(
                id, prompt, maxTokens, new HandoffRole.Fetch(FakeConnector.ticket(Math.ceilDiv(prompt.length, 4))));
    }

    static Outcome read(TokenStream stream) throws InterruptedException {
        var tokens = new ArrayList<Integer>();
        while (true) {
            TokenEvent event = stream.next(PATIENCE);
            if (event instanceof Token token) {
                tokens.add(token.id());
            } else {
                return new Outcome(tokens, event);
            }
        }
    }

    long count(EngineCounter counter) {
        return engine.status().counters().get(counter);
    }

    /** Waits for a state that comes without anybody saying so. */
    static void await(BooleanSupplier state) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!state.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waiting in vain").isLessThan(deadline);
            Thread.yield();
        }
    }

    /** Waits until nothing lives and proves that every block is free. */
    void awaitAllFree() throws InterruptedException {
        await(() -> engine.status().blocks().free() == engine.status().blocks().total());
        long checks = count(EngineCounter.INTEGRITY_CHECKS);
        read(submit("probe", prompt(1, 1), 1)); // makes sure that a check follows
        await(() -> count(EngineCounter.INTEGRITY_CHECKS) > checks);
        assertThat(count(EngineCounter.INTEGRITY_FAILURES)).isZero();
        var load = engine.status().load();
        assertThat(List.of(load.waiting(), load.running(), load.lent(), load.awaitingKv()))
                .containsOnly(0);
        assertThat(engine.status().failure()).isEmpty();
    }

    @Override
    public void close() {
        engine.close();
    }
}
