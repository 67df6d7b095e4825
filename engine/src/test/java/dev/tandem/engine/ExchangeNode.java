package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import dev.tandem.transfer.TransferCounter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** A node with a model of its own, cut over some ranks, and engines that take part in exchanges over real sockets. */
final class ExchangeNode implements AutoCloseable {
    static final int MODEL_LENGTH = 512;
    static final int BLOCKS = 200;
    static final Duration LONG = Duration.ofMinutes(2);

    /**
     * What a test may choose.
     *
     * @param bytesPerSecond most KV that leaves; 0 for no bound
     */
    record Setup(Role role, Connector connector, Ranks ranks, Sizes sizes, Waits waits, long bytesPerSecond) {
        static Setup of(Role role, Connector connector) {
            return new Setup(
                    role,
                    connector,
                    new Ranks(1, 1),
                    new Sizes(16, 64, true),
                    new Waits(LONG, LONG, FailurePolicy.RECOMPUTE),
                    0);
        }

        Setup withTpSize(int size) {
            return withRanks(new Ranks(1, size));
        }

        Setup withRanks(Ranks some) {
            return new Setup(role, connector, some, sizes, waits, bytesPerSecond);
        }

        Setup withBlockSize(int size) {
            return with(new Sizes(size, sizes.batchedTokens(), sizes.caches()));
        }

        Setup withoutCache() {
            return with(new Sizes(sizes.blockSize(), sizes.batchedTokens(), false));
        }

        Setup withBatchedTokens(int tokens) {
            return with(new Sizes(sizes.blockSize(), tokens, sizes.caches()));
        }

        private Setup with(Sizes others) {
            return new Setup(role, connector, ranks, others, waits, bytesPerSecond);
        }

        Setup withLease(Duration lease) {
            return with(new Waits(lease, waits.fetchTimeout(), waits.failurePolicy()));
        }

        Setup withFetchTimeout(Duration timeout) {
            return with(new Waits(waits.leaseTimeout(), timeout, waits.failurePolicy()));
        }

        Setup failing() {
            return with(new Waits(waits.leaseTimeout(), waits.fetchTimeout(), FailurePolicy.FAIL));
        }

        private Setup with(Waits others) {
            return new Setup(role, connector, ranks, sizes, others, bytesPerSecond);
        }

        Setup withPace(long bytes) {
            return new Setup(role, connector, ranks, sizes, waits, bytes);
        }
    }

    /** Deadlines, and what happens when they pass. */
    record Waits(Duration leaseTimeout, Duration fetchTimeout, FailurePolicy failurePolicy) {}

    /** Replicas, and tensor-parallel ranks of each. */
    record Ranks(int dp, int tp) {}

    /** Tokens of a block and of a step, and whether prefixes are kept. */
    record Sizes(int blockSize, int batchedTokens, boolean caches) {}

    final List<Engine> replicas = new ArrayList<>();
    private final HandoffRuntime runtime;
    private final Setup setup;
    private final Peers peers;
    private final Checkpoint checkpoint;
    private final List<KernelThreads> threads = new ArrayList<>();

    ExchangeNode(Path path, Setup setup) {
        this(path, setup, ExchangeNode::inviteNobody);
    }

    private static Runnable inviteNobody(Invitation invitation, Consumer<Optional<String>> answered) {
        answered.accept(Optional.of("nobody is invited here"));
        return () -> {};
    }

    ExchangeNode(Path path, Setup setup, Invitation.Messenger messenger) {
        this(path, setup, messenger, new Peers.FromTicket(1));
    }

    /** A node that finds its peers in a rank table. */
    ExchangeNode(Path path, Setup setup, Peers.FromRankTable peers) {
        this(path, setup, ExchangeNode::inviteNobody, peers);
    }

    private ExchangeNode(Path path, Setup setup, Invitation.Messenger messenger, Peers peers) {
        this.setup = setup;
        this.peers = peers;
        this.runtime = HandoffRuntime.start("127.0.0.1", "127.0.0.1", messenger, setup.bytesPerSecond());
        this.checkpoint = Checkpoint.open(path);
        for (int dp = 0; dp < setup.ranks().dp(); dp++) {
            replicas.add(replica(dp));
        }
    }

    private Engine replica(int dp) {
        int tpSize = setup.ranks().tp();
        var group = new TensorGroup(tpSize, false);
        var shards = new ArrayList<EngineParts.Shard>();
        for (int tp = 0; tp < tpSize; tp++) {
            threads.add(new KernelThreads(1));
            var context = new RankContext(
                    new Rank(tp, tpSize, dp, setup.ranks().dp()),
                    group.member(tp),
                    KernelSelection.best().kernels(threads.getLast()),
                    Optional.empty());
            var model = ModelLoader.load(checkpoint, context, new StepLimits(64, 8, MODEL_LENGTH));
            var pool = new KvPool(model.kvLayout(setup.sizes().blockSize(), DType.F32), BLOCKS);
            shards.add(new EngineParts.Shard(model, pool, group.member(tp)));
        }
        String name = peers instanceof Peers.FromRankTable ? "0" : setup.role().name();
        String engineId = name + (setup.ranks().dp() == 1 ? "" : "_dp" + dp);
        var config = new EngineConfig(
                MODEL_LENGTH,
                new BatchLimits(
                        setup.sizes().batchedTokens(), Math.min(8, setup.sizes().batchedTokens()), 64, true),
                setup.sizes().caches(),
                0,
                Optional.of(new HandoffConfig(
                        engineId,
                        0,
                        setup.role(),
                        setup.connector(),
                        peers,
                        setup.waits().leaseTimeout(),
                        setup.waits().fetchTimeout(),
                        setup.waits().failurePolicy())));
        return Engine.start(config, new EngineParts(dp, shards, Optional.of(runtime)), Duration.ofMillis(20));
    }

    TokenStream submit(String id, Prompt prompt, HandoffRole role) {
        return submit(0, id, prompt, role);
    }

    TokenStream submit(int replica, String id, Prompt prompt, HandoffRole role) {
        var options = SamplingOptions.greedy(prompt.generated().size()).ignoringEndOfText();
        return replicas.get(replica).submit(new Request(id, prompt.tokenIds(), options, role, LONG));
    }

    /** Of all replicas. */
    long count(EngineCounter counter) {
        return replicas.stream()
                .mapToLong(replica -> replica.status().counters().get(counter))
                .sum();
    }

    void awaitAllFree() {
        for (Engine replica : replicas) {
            await(() -> replica.status().blocks().free() == BLOCKS);
            assertThat(replica.status().failure()).isEmpty();
        }
        assertThat(count(EngineCounter.INTEGRITY_FAILURES)).isZero();
    }

    /** A counter of the transfer engine. */
    long transferred(TransferCounter counter) {
        return runtime.transfers().counters().value(counter);
    }

    @Override
    public void close() {
        replicas.forEach(Engine::close);
        runtime.close();
        threads.forEach(KernelThreads::close);
        checkpoint.close();
    }
}
