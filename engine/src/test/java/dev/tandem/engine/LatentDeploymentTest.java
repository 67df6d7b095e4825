package dev.tandem.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.counter.Counters;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.KvTerms;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.Members;
import dev.tandem.engine.cluster.ModelFingerprint;
import dev.tandem.engine.cluster.ModelTerms;
import dev.tandem.engine.cluster.ParallelLayout;
import dev.tandem.engine.cluster.expert.ExpertRuntime;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Logprob;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import dev.tandem.engine.request.SamplingOptions.Stop;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;
import dev.tandem.model.Model;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import dev.tandem.parallel.TensorGroup;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * DeepSeek with data-parallel attention: several replicas of several ranks in two processes, which keep latents of their own requests and
 * share all experts, against one rank that has everything.
 */
@Timeout(300)
@Tag("long")
class LatentDeploymentTest {
    private static final int MODEL_LENGTH = 512;
    private static final int TOKENS = 6;
    private static final int BEST = 10;
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final ClusterSecret TOKEN = ClusterSecret.of("a secret between us");

    /** What a step chose, with the best logprobs as they are, to the last bit. */
    private record Step(int tokenId, List<Logprob> best) {}

    /** Replicas and ranks of each in the whole deployment. */
    private record Shape(int dpSize, int tpSize) {}

    /** What one process runs: the replicas at its place, with their way to all experts. */
    private static final class Process implements AutoCloseable {
        final Checkpoint checkpoint;
        final Counters<ClusterCounter> counters = new Counters<>(ClusterCounter.class);
        final ExpertRuntime experts;
        final MemberPlacement placement;
        final List<Engine> replicas = new ArrayList<>();
        private final Shape shape;
        private final KernelSelection selection = KernelSelection.best();
        private final List<KernelThreads> threads = new ArrayList<>();

        Process(String golden, Shape shape, Shard dpRanks) throws IOException {
            this.checkpoint = Checkpoint.open(GoldenFile.FOLDER.resolve(golden));
            this.shape = shape;
            this.experts = ExpertRuntime.start(
                    new ExpertRuntime.Setup(
                            new InetSocketAddress("127.0.0.1", 0),
                            terms(new MemberPlacement(dpRanks, "127.0.0.1", 0)),
                            TOKEN,
                            ExpertRuntime.limits(Duration.ofSeconds(10)),
                            new ExpertRuntime.Patience(
                                    PATIENCE, PATIENCE, Duration.ofMillis(100), Duration.ofSeconds(1)),
                            64),
                    List.of(bank(), bank()),
                    checkpoint.config().hiddenSize(),
                    counters);
            this.placement = new MemberPlacement(dpRanks, "127.0.0.1", experts.port());
            for (int dp = dpRanks.from(); dp < dpRanks.to(); dp++) {
                replicas.add(replica(dp));
            }
        }

        private ExpertBank bank() {
            return ModelLoader.experts(checkpoint, RankContext.single(kernels()), new StepLimits(64, 8, MODEL_LENGTH));
        }

        private Kernels kernels() {
            threads.add(new KernelThreads(1));
            return selection.kernels(threads.getLast());
        }

        private JoinTerms terms(MemberPlacement own) {
            var numbers = new ModelTerms.Numbers("float32", "none");
            return new JoinTerms(
                    "0.1.0",
                    ModelTerms.of(checkpoint.config(), ModelFingerprint.of(checkpoint), numbers, MODEL_LENGTH),
                    new ParallelLayout(shape.dpSize(), true, true, shape.tpSize()),
                    new KvTerms(16, List.of()),
                    own);
        }

        private Engine replica(int dp) {
            var group = new TensorGroup(shape.tpSize(), false);
            var shards = new ArrayList<EngineParts.Shard>();
            for (int tp = 0; tp < shape.tpSize(); tp++) {
                var context = new RankContext(
                        new Rank(tp, shape.tpSize(), dp, shape.dpSize()),
                        group.member(tp),
                        kernels(),
                        Optional.of(experts.router(bank())));
                shards.add(shard(ModelLoader.load(checkpoint, context, new StepLimits(64, 8, MODEL_LENGTH)), context));
            }
            return start(new EngineParts(dp, shards, Optional.empty()));
        }

        @Override
        public void close() {
            replicas.forEach(Engine::close);
            experts.close();
            threads.forEach(KernelThreads::close);
            checkpoint.close();
        }
    }

    /** V3 has 32 experts for 12 ranks, V3.2 16 for 20: the last four, all of the second process, own none. */
    @ParameterizedTest
    @CsvSource({"deepseek-v3, 3, 4, true", "deepseek-v3.2, 5, 4, false", "deepseek-v3.2-w8a8, 5, 4, false"})
    void shouldGiveTheBitsOfOneRankOnEveryReplica(String golden, int dpSize, int tpSize, boolean hasExpertsInBoth)
            throws Exception {
        List<Prompt> prompts =
                GoldenFile.prompts(GoldenFile.FOLDER.resolve(golden).resolve("golden/golden.json"));
        List<List<Step>> expected = ofOneRank(golden, prompts);
        var shape = new Shape(dpSize, tpSize);
        try (var first = new Process(golden, shape, new Shard(0, dpSize - 1));
                var second = new Process(golden, shape, new Shard(dpSize - 1, dpSize))) {
            var members = new Members(List.of(first.placement, second.placement));
            for (Process process : List.of(first, second)) {
                process.experts.update(members);
                EngineFixture.await(() -> process.experts.peers().stream()
                        .allMatch(peer -> peer.downReason().isEmpty()));
            }
            long warmUp = first.counters.value(ClusterCounter.EXPERT_ROWS_RECOMPUTED); // when nobody was known
            assertThat(first.experts.peers()).hasSize(hasExpertsInBoth ? 1 : 0);
            assertThat(second.experts.peers()).hasSize(1);
            var replicas = new ArrayList<>(first.replicas);
            replicas.addAll(second.replicas);
            assertThat(replicas).hasSize(dpSize);
            var streams = new ArrayList<TokenStream>();
            for (int i = 0; i < dpSize * prompts.size(); i++) { // each prompt on each replica, all at once
                streams.add(replicas.get(i % dpSize).submit(request(prompts.get(i / dpSize), i)));
            }
            for (int i = 0; i < streams.size(); i++) {
                assertThat(steps(streams.get(i)))
                        .as("%s on replica %d", prompts.get(i / dpSize).id(), i % dpSize)
                        .isEqualTo(expected.get(i / dpSize));
            }
            assertThat(first.counters.value(ClusterCounter.EXPERT_ROWS_RECOMPUTED))
                    .isEqualTo(warmUp);
            assertThat(first.counters.value(ClusterCounter.EXPERT_ROWS_SERVED)).isPositive();
            assertThat(second.counters.value(ClusterCounter.EXPERT_ROWS_SERVED) > 0)
                    .isEqualTo(hasExpertsInBoth);
        }
    }

    private static List<List<Step>> ofOneRank(String golden, List<Prompt> prompts) throws InterruptedException {
        try (var checkpoint = Checkpoint.open(GoldenFile.FOLDER.resolve(golden));
                var threads = new KernelThreads(1)) {
            var context = RankContext.single(KernelSelection.best().kernels(threads));
            var model = ModelLoader.load(checkpoint, context, new StepLimits(64, 8, MODEL_LENGTH));
            try (var engine = start(new EngineParts(0, List.of(shard(model, context)), Optional.empty()))) {
                var expected = new ArrayList<List<Step>>();
                for (Prompt prompt : prompts) {
                    expected.add(steps(engine.submit(request(prompt, 0))));
                    assertThat(expected.getLast().stream().map(Step::tokenId))
                            .isEqualTo(prompt.generated().subList(0, TOKENS));
                }
                return expected;
            }
        }
    }

    private static EngineParts.Shard shard(Model model, RankContext context) {
        return new EngineParts.Shard(model, new KvPool(model.kvLayout(16, DType.F32), 200), context.collective());
    }

    private static Engine start(EngineParts parts) {
        var config = new EngineConfig(MODEL_LENGTH, new BatchLimits(64, 8, 64, true), false, 0, Optional.empty());
        return Engine.start(config, parts, Duration.ofMillis(1));
    }

    private static Request request(Prompt prompt, int number) {
        var options = new SamplingOptions(
                TOKENS,
                0,
                Filters.GREEDY,
                Penalties.NONE,
                Map.of(),
                OptionalLong.empty(),
                new Stop(Set.of(), true),
                OptionalInt.of(BEST));
        return new Request(prompt.id() + "-" + number, prompt.tokenIds(), options, new HandoffRole.None(), PATIENCE);
    }

    private static List<Step> steps(TokenStream stream) throws InterruptedException {
        var steps = new ArrayList<Step>();
        TokenEvent event = stream.next(PATIENCE);
        for (; event instanceof Token token; event = stream.next(PATIENCE)) {
            steps.add(new Step(token.id(), token.logprobs().orElseThrow().top()));
        }
        assertThat(event).isInstanceOf(TokenEvent.Finished.class);
        return steps;
    }
}
