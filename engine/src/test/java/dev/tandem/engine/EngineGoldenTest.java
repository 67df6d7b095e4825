package dev.tandem.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Logprob;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import dev.tandem.engine.request.SamplingOptions.Stop;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Real checkpoints through a whole engine give the tokens of transformers, however the work is cut, mixed, cached or repeated. */
@Tag("long")
class EngineGoldenTest {
    private static final int MODEL_LENGTH = 512;
    private static final int ROOMY = 400;
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    /** How an engine is cut for one run. */
    private record Cut(int batchedTokens, int sequences, int blocks, int blockSize, boolean caches) {}

    private static final String CHECKPOINTS = """
            llama,                   llama/golden
            qwen3,                   qwen3/golden
            qwen3-moe,               qwen3-moe/golden
            deepseek-v3,             deepseek-v3/golden
            deepseek-v3.2,           deepseek-v3.2/golden
            deepseek-v3.2-w8a8,      deepseek-v3.2-w8a8/golden
            qwen3-moe-w8a8,          qwen3-moe-w8a8/golden
            gguf/llama-q8_0.gguf,    gguf/llama-q8_0
            gguf/llama-q4_0.gguf,    gguf/llama-q4_0
            gguf/qwen3-bf16.gguf,    gguf/qwen3-bf16
            gguf/qwen3-q8_0.gguf,    gguf/qwen3-q8_0
            gguf/qwen3-q4_0.gguf,    gguf/qwen3-q4_0
            gguf/qwen3-moe-q4_0.gguf, gguf/qwen3-moe-q4_0
            """;

    @ParameterizedTest
    @CsvSource(textBlock = CHECKPOINTS)
    void shouldGiveGoldenTokensInChunksOfSeven(String checkpoint, String golden) throws InterruptedException {
        compare(checkpoint, golden, new Cut(7, 4, ROOMY, 16, false), 1);
    }

    @ParameterizedTest
    @CsvSource(textBlock = CHECKPOINTS)
    void shouldGiveGoldenTokensInterleavedInChunksOf64(String checkpoint, String golden) throws InterruptedException {
        compare(checkpoint, golden, new Cut(64, 8, ROOMY, 16, false), 1);
    }

    @ParameterizedTest
    @CsvSource(textBlock = CHECKPOINTS)
    void shouldGiveGoldenTokensWholeAndAgainFromAWarmCache(String checkpoint, String golden)
            throws InterruptedException {
        EngineStatus status = compare(checkpoint, golden, new Cut(2048, 8, ROOMY, 16, true), 2);

        assertThat(status.counters().get(EngineCounter.PREFIX_CACHE_HITS)).isPositive();
    }

    @ParameterizedTest
    @CsvSource({
        "llama, llama/golden",
        "qwen3, qwen3/golden",
        "qwen3-moe, qwen3-moe/golden",
        "qwen3-moe-w8a8, qwen3-moe-w8a8/golden"
    })
    void shouldGiveGoldenTokensWhenSequencesArePreempted(String checkpoint, String golden) throws InterruptedException {
        EngineStatus status = compare(checkpoint, golden, new Cut(64, 8, 84, 4, false), 1);

        assertThat(status.counters().get(EngineCounter.PREEMPTIONS)).isPositive();
    }

    @ParameterizedTest
    @CsvSource({"1", "7", "64", "2048"})
    void shouldTellTheGoldenFables(int batchedTokens) throws InterruptedException {
        var cut = new Cut(batchedTokens, Math.min(8, batchedTokens), ROOMY, 16, batchedTokens > 64);
        compare(GoldenFile.ROOT.resolve("models/tandem-fable"), GoldenFile.FOLDER.resolve("tandem-fable"), cut, 1);
    }

    private static EngineStatus compare(String checkpoint, String golden, Cut cut, int rounds)
            throws InterruptedException {
        return compare(GoldenFile.FOLDER.resolve(checkpoint), GoldenFile.FOLDER.resolve(golden), cut, rounds);
    }

    private static EngineStatus compare(Path path, Path golden, Cut cut, int rounds) throws InterruptedException {
        List<Prompt> prompts = GoldenFile.prompts(golden.resolve("golden.json"));
        assertThat(prompts).hasSizeGreaterThanOrEqualTo(4);
        try (var checkpoint = Checkpoint.open(path);
                var threads = new KernelThreads(2);
                var engine = start(checkpoint, threads, cut)) {
            for (int round = 0; round < rounds; round++) {
                var streams = new ArrayList<TokenStream>();
                for (Prompt prompt : prompts) {
                    streams.add(engine.submit(request(prompt, round)));
                }
                for (int i = 0; i < streams.size(); i++) {
                    compare(prompts.get(i), streams.get(i));
                }
            }
            EngineFixture.await(() ->
                    engine.status().blocks().free() == engine.status().blocks().total());
            assertThat(engine.status().counters().get(EngineCounter.INTEGRITY_FAILURES))
                    .isZero();
            return engine.status();
        }
    }

    private static Engine start(Checkpoint checkpoint, KernelThreads threads, Cut cut) {
        var context = RankContext.single(KernelSelection.best().kernels(threads));
        var model = ModelLoader.load(checkpoint, context, new StepLimits(64, cut.sequences(), MODEL_LENGTH));
        var pool = new KvPool(model.kvLayout(cut.blockSize(), DType.F32), cut.blocks());
        var config = new EngineConfig(
                MODEL_LENGTH,
                new BatchLimits(cut.batchedTokens(), cut.sequences(), 64, true),
                cut.caches(),
                0,
                Optional.empty());
        return Engine.start(config, EngineParts.single(model, pool), Duration.ofMillis(1));
    }

    /** Greedy; end tokens do not stop unless they do in the golden. */
    private static Request request(Prompt prompt, int round) {
        var options = new SamplingOptions(
                prompt.generated().size(),
                0,
                Filters.GREEDY,
                Penalties.NONE,
                Map.of(),
                OptionalLong.empty(),
                new Stop(Set.of(), true),
                OptionalInt.of(prompt.topLogits()[0].length));
        return new Request(prompt.id() + "-" + round, prompt.tokenIds(), options, new HandoffRole.None(), PATIENCE);
    }

    private static void compare(Prompt prompt, TokenStream stream) throws InterruptedException {
        var tokens = new ArrayList<Integer>();
        while (true) {
            TokenEvent event = stream.next(PATIENCE);
            if (!(event instanceof Token token)) {
                assertThat(event).as(prompt.id()).isInstanceOf(Finished.class);
                break;
            }
            compareLogits(prompt, tokens.size(), token.logprobs().orElseThrow().top());
            tokens.add(token.id());
        }
        assertThat(tokens).as("tokens after %s", prompt.id()).isEqualTo(prompt.generated());
    }

    /** Differences of logprobs are differences of logits, each within the tolerance. */
    private static void compareLogits(Prompt prompt, int step, List<Logprob> top) {
        float[] golden = prompt.topLogits()[step];
        assertThat(top).hasSize(golden.length);
        for (int i = 0; i < golden.length; i++) {
            assertThat(top.get(i).logprob() - top.getFirst().logprob())
                    .as("%s step %d rank %d", prompt.id(), step, i + 1)
                    .isCloseTo(golden[i] - golden[0], within(2 * prompt.tolerance()));
        }
    }
}
