package dev.tandem.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.counter.Counters;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ClusterHead;
import dev.tandem.engine.cluster.ClusterMember;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.KvTerms;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.MemberStatus;
import dev.tandem.engine.cluster.ModelFingerprint;
import dev.tandem.engine.cluster.ModelTerms;
import dev.tandem.engine.cluster.ParallelLayout;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.expert.ExpertRuntime;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
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
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import dev.tandem.parallel.TensorGroup;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/**
 * Three processes as one deployment, in one JVM but for the sockets between them: three data-parallel ranks of one tensor rank each, with
 * the experts of a real checkpoint spread over all of them.
 */
class DeploymentTest {
    private static final int RANKS = 3;
    private static final int MODEL_LENGTH = 512;
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final Path GOLDEN = GoldenFile.FOLDER.resolve("qwen3-moe");
    private static final ChannelLimits LIMITS = new ChannelLimits(Duration.ofSeconds(10), 1 << 22, 4096, 1 << 24);
    private static final ClusterSecret TOKEN = ClusterSecret.of("a secret between us");

    /** What one process runs, without its part of the join. */
    private static final class Process implements AutoCloseable {
        final Checkpoint checkpoint = Checkpoint.open(GOLDEN);
        final Counters<ClusterCounter> counters = new Counters<>(ClusterCounter.class);
        final KernelThreads threads = new KernelThreads(1);
        final Kernels kernels = KernelSelection.best().kernels(threads);
        final ExpertRuntime experts;
        final Engine engine;
        final JoinTerms terms;
        private boolean isClosed;

        Process(int rank) throws IOException {
            String fingerprint = ModelFingerprint.of(checkpoint);
            this.experts = ExpertRuntime.start(
                    new ExpertRuntime.Setup(
                            new InetSocketAddress("127.0.0.1", 0),
                            terms(rank, 0, fingerprint),
                            TOKEN,
                            ExpertRuntime.limits(Duration.ofSeconds(10)),
                            ExpertRuntime.Patience.USUAL,
                            64),
                    List.of(bank(), bank()),
                    checkpoint.config().hiddenSize(),
                    counters);
            this.terms = terms(rank, experts.port(), fingerprint);
            this.engine = engine(rank);
        }

        private ExpertBank bank() {
            return ModelLoader.experts(
                    checkpoint,
                    RankContext.single(KernelSelection.best().kernels(new KernelThreads(1))),
                    new StepLimits(64, 8, MODEL_LENGTH));
        }

        private JoinTerms terms(int rank, int expertPort, String fingerprint) {
            return new JoinTerms(
                    "0.1.0",
                    ModelTerms.of(
                            checkpoint.config(), fingerprint, new ModelTerms.Numbers("float32", "none"), MODEL_LENGTH),
                    new ParallelLayout(RANKS, true, true, 1),
                    new KvTerms(16, List.of()),
                    new MemberPlacement(new Shard(rank, rank + 1), "127.0.0.1", expertPort));
        }

        private Engine engine(int rank) {
            var group = TensorGroup.single().member(0);
            var context =
                    new RankContext(new Rank(0, 1, rank, RANKS), group, kernels, Optional.of(experts.router(bank())));
            var model = ModelLoader.load(checkpoint, context, new StepLimits(64, 8, MODEL_LENGTH));
            var pool = new KvPool(model.kvLayout(16, DType.F32), 400);
            var config = new EngineConfig(MODEL_LENGTH, new BatchLimits(64, 8, 64, true), false, 0, Optional.empty());
            return Engine.start(
                    config,
                    new EngineParts(rank, List.of(new EngineParts.Shard(model, pool, group)), Optional.empty()),
                    Duration.ofMillis(1));
        }

        ClusterMember join(int port) {
            var replicas = new TreeMap<Integer, Replica>();
            replicas.put(terms.placement().ranks().from(), engine);
            return ClusterMember.start(
                    new ClusterMember.MemberSetup(
                            new InetSocketAddress("127.0.0.1", port),
                            terms,
                            TOKEN,
                            LIMITS,
                            ClusterMember.Patience.of(PATIENCE)),
                    new ClusterMember.Service(replicas, counters, experts::update, report -> {}));
        }

        @Override
        public void close() {
            if (isClosed) {
                return; // the test has ended it
            }
            isClosed = true;
            engine.close();
            experts.close();
            threads.close();
            checkpoint.close();
        }
    }

    private final Counters<ClusterCounter> headCounters = new Counters<>(ClusterCounter.class);

    private ClusterHead head(Process process, ReplicaSet replicas) throws IOException {
        replicas.add(0, process.engine, "this process");
        return ClusterHead.start(
                new ClusterHead.HeadSetup(new InetSocketAddress("127.0.0.1", 0), process.terms, TOKEN, LIMITS),
                replicas,
                headCounters,
                process.experts::update);
    }

    private static Request request(Prompt prompt) {
        return new Request(
                prompt.id(),
                prompt.tokenIds(),
                EngineFixture.greedy(prompt.generated().size()),
                new HandoffRole.None(),
                PATIENCE);
    }

    private static List<Integer> tokens(TokenStream stream, int most) throws InterruptedException {
        var tokens = new ArrayList<Integer>();
        while (tokens.size() < most && stream.next(PATIENCE) instanceof Token token) {
            tokens.add(token.id());
        }
        return tokens;
    }

    @Test
    void shouldGiveGoldenTokensOnEveryRankAndGoOnWithThemWhenANodeDies() throws Exception {
        List<Prompt> prompts = GoldenFile.prompts(GOLDEN.resolve("golden/golden.json"));
        var replicas = new ReplicaSet(RANKS, 0, headCounters);
        try (var zero = new Process(0);
                var one = new Process(1);
                var two = new Process(2);
                var head = head(zero, replicas);
                var first = one.join(head.port());
                var second = two.join(head.port())) {
            head.awaitAll(PATIENCE, report -> {});
            assertThat(first.awaitJoined().placements()).isNotEmpty();
            for (Process process : List.of(zero, one, two)) {
                EngineFixture.await(() -> process.experts.peers().size() == RANKS - 1
                        && process.experts.peers().stream()
                                .allMatch(peer -> peer.downReason().isEmpty()));
            }
            compareAll(prompts, replicas);
            assertExpertsTravelled(List.of(zero, one, two));

            TokenStream survivor = replicas.submit(request(prompts.get(2)), OptionalInt.of(0));
            TokenStream victim = replicas.submit(request(prompts.get(3)), OptionalInt.of(2));
            List<Integer> tokens = tokens(survivor, 5);
            assertThat(tokens(victim, 1)).hasSize(1);
            kill(second, two);
            TokenEvent end = victim.next(PATIENCE);
            while (end instanceof Token) {
                end = victim.next(PATIENCE);
            }
            assertEndsOrFails(end);
            tokens.addAll(tokens(survivor, Integer.MAX_VALUE));
            assertThat(tokens).isEqualTo(prompts.get(2).generated());
            assertThat(head.statuses().stream().filter(status -> !status.isUp()))
                    .extracting(MemberStatus::placement)
                    .containsExactly(two.terms.placement());
            compareAll(prompts, replicas);
            assertThat(zero.counters.value(ClusterCounter.EXPERT_ROWS_RECOMPUTED))
                    .isPositive();
        }
    }

    private static void kill(ClusterMember node, Process process) {
        node.close();
        process.close();
    }

    /** All prompts at once, over all ranks that are there. */
    private static void compareAll(List<Prompt> prompts, ReplicaSet replicas) throws InterruptedException {
        var streams = new ArrayList<TokenStream>();
        for (Prompt prompt : prompts) {
            streams.add(replicas.submit(request(prompt)));
        }
        for (int i = 0; i < streams.size(); i++) {
            assertThat(tokens(streams.get(i), Integer.MAX_VALUE))
                    .as("tokens after %s", prompts.get(i).id())
                    .isEqualTo(prompts.get(i).generated());
        }
    }

    private static void assertExpertsTravelled(List<Process> processes) {
        for (Process process : processes) {
            assertThat(process.counters.value(ClusterCounter.EXPERT_ROWS_SENT)).isPositive();
            assertThat(process.counters.value(ClusterCounter.EXPERT_ROWS_SERVED))
                    .isPositive();
            assertThat(process.engine.status().counters().get(EngineCounter.GENERATION_TOKENS))
                    .isPositive();
        }
    }

    /** It had all its tokens already, or an explicit error; never a shorter answer. */
    private static void assertEndsOrFails(TokenEvent end) {
        switch (end) {
            case TokenEvent.Finished finished ->
                assertThat(finished.reason()).isEqualTo(TokenEvent.FinishReason.LENGTH);
            case TokenEvent.Failed failed -> assertThat(failed.cause().kind()).isEqualTo(Kind.UNAVAILABLE);
            case Token token -> throw new AssertionError(token);
        }
    }
}
