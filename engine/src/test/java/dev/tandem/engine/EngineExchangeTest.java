package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.EngineConfig.Limits;
import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffConfig.Terms;
import dev.tandem.engine.handoff.HandoffHub;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelSelection;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two engines, a prefill and a decode node, with all sockets between them real. */
@Timeout(300)
class EngineExchangeTest {
    private static final int MODEL_LENGTH = 512;
    private static final int BLOCKS = 200;
    private static final Duration LONG = Duration.ofMinutes(2);

    /** A node with a model of its own; {@code leaseTimeout} matters on P. */
    private static final class Node implements AutoCloseable {
        private final Checkpoint checkpoint;
        private final KernelThreads threads = new KernelThreads(1);
        private final HandoffHub hub = HandoffHub.start("127.0.0.1");
        private final Engine engine;

        Node(Path path, Role role, int blockSize, Duration leaseTimeout, boolean caches) {
            checkpoint = Checkpoint.open(path);
            var context = RankContext.single(KernelSelection.best().kernels(), threads);
            var model = ModelLoader.load(checkpoint, context, new StepLimits(64, 8, MODEL_LENGTH));
            var pool = new KvPool(model.kvLayout(blockSize, DType.F32), BLOCKS);
            var handoff =
                    new HandoffConfig(role.name(), 0, role, 1, new Terms(leaseTimeout, LONG, FailurePolicy.RECOMPUTE));
            var limits = new Limits(64, 8, 64, true);
            var config = new EngineConfig(MODEL_LENGTH, limits, caches, 0, Optional.of(handoff));
            engine = Engine.start(config, EngineParts.single(model, pool).with(hub));
        }

        TokenStream submit(String id, Prompt prompt, HandoffRole role) {
            var options = SamplingOptions.greedy(prompt.generated().size()).ignoringEndOfText();
            return engine.submit(new Request(id, prompt.tokenIds(), options, role, LONG));
        }

        long count(EngineCounter counter) {
            return engine.status().counters().get(counter);
        }

        void awaitAllFree() {
            await(() -> engine.status().blocks().free() == BLOCKS);
            assertThat(count(EngineCounter.INTEGRITY_FAILURES)).isZero();
            assertThat(engine.status().failure()).isEmpty();
        }

        @Override
        public void close() {
            engine.close();
            hub.close();
            threads.close();
            checkpoint.close();
        }
    }

    @ParameterizedTest
    @CsvSource(textBlock = """
                    fixtures/golden/llama,                 llama/golden
                    fixtures/golden/qwen3,                 qwen3/golden
                    fixtures/golden/qwen3-moe,             qwen3-moe/golden
                    fixtures/golden/gguf/qwen3-q8_0.gguf,  gguf/qwen3-q8_0
                    models/tandem-fable,                   tandem-fable
                    """)
    void shouldGiveGoldenTokensOverTwoNodes(String checkpoint, String golden) throws InterruptedException {
        Path path = GoldenFile.ROOT.resolve(checkpoint);
        List<Prompt> prompts =
                GoldenFile.prompts(GoldenFile.FOLDER.resolve(golden).resolve("golden.json"));
        try (var prefill = new Node(path, Role.PRODUCER, 16, LONG, true);
                var decode = new Node(path, Role.CONSUMER, 16, LONG, false)) {
            var streams = new ArrayList<TokenStream>();
            for (Prompt prompt : prompts) {
                streams.add(prefill.submit(prompt.id(), prompt, new HandoffRole.Lend()));
            }
            for (int i = 0; i < prompts.size(); i++) {
                Outcome lent = read(streams.get(i));
                assertThat(lent.tokens())
                        .containsExactly(prompts.get(i).generated().getFirst());
                streams.set(i, decode.submit(prompts.get(i).id(), prompts.get(i), overTheWire(lent)));
            }
            for (int i = 0; i < prompts.size(); i++) {
                Outcome outcome = read(streams.get(i));
                assertThat(outcome.tokens())
                        .as(prompts.get(i).id())
                        .isEqualTo(prompts.get(i).generated());
                assertThat(outcome.finished().usage().handoff().recomputeReason())
                        .isEmpty();
                assertThat(outcome.finished().usage().handoff().remoteTokens())
                        .isEqualTo(prompts.get(i).tokenIds().length - 1);
            }
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isZero();
            assertThat(decode.count(EngineCounter.HANDOFF_TRANSFERS))
                    .isEqualTo(prompts.stream()
                            .filter(p -> p.tokenIds().length > 1) // one token is computed without asking anybody
                            .count());
            assertThat(decode.count(EngineCounter.PROMPT_TOKENS))
                    .isEqualTo(
                            prompts.stream().mapToLong(p -> p.tokenIds().length).sum());
            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isEqualTo(prompts.size());
        }
    }

    @Test
    void shouldGiveGoldenTokensWhenBlockSizesDifferAndACachedPrefixIsNotRead() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var prefill = new Node(path, Role.PRODUCER, 16, LONG, true);
                var decode = new Node(path, Role.CONSUMER, 8, LONG, true)) {
            var beginning = new Prompt(
                    "begin", Arrays.copyOf(prompt.tokenIds(), 50), List.of(1), prompt.topLogits(), prompt.tolerance());
            read(decode.submit("begin", beginning, new HandoffRole.None()));
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().cachedTokens()).isEqualTo(48);
            assertThat(outcome.finished().usage().handoff().remoteTokens())
                    .isEqualTo(prompt.tokenIds().length - 1 - 48);
            decode.awaitAllFree();
            prefill.awaitAllFree();
        }
    }

    @Test
    void shouldRecomputeWhenTheLeaseExpiredBeforeTheRead() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var prefill = new Node(path, Role.PRODUCER, 16, Duration.ofMillis(50), true);
                var decode = new Node(path, Role.CONSUMER, 16, LONG, true)) {
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_EXPIRED)).isOne();

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason()).isPresent();
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isOne();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldRecomputeWhenThePrefillNodeIsGone() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var decode = new Node(path, Role.CONSUMER, 16, LONG, true)) {
            Outcome lent;
            try (var prefill = new Node(path, Role.PRODUCER, 16, LONG, true)) {
                lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));
            }

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason()).isPresent();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldFreeThePrefillNodesBlocksWhenTheDecodeNodesReaderGoes() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var prefill = new Node(path, Role.PRODUCER, 16, LONG, true);
                var decode = new Node(path, Role.CONSUMER, 16, LONG, true)) {
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));

            decode.submit("r", prompt, overTheWire(lent)).close();

            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isOne();
        }
    }

    private static Prompt longest(Path path) {
        return GoldenFile.prompts(path.resolve("golden/golden.json")).getLast();
    }

    /** The role that a decode node reads from the {@code kv_transfer_params} of a prefill node's answer. */
    private static HandoffRole overTheWire(Outcome lent) {
        HandoffTicket ticket = lent.finished().ticket().orElseThrow();
        return HandoffParams.parse(ticket.toParams());
    }
}
