package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.EngineConfig.Limits;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Part;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffConfig.Terms;
import dev.tandem.engine.handoff.HandoffHub;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.request.HandoffRole;
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
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A node with a model of its own, cut over some ranks, and an engine that takes part in exchanges over real sockets. */
final class ExchangeNode implements AutoCloseable {
    static final int MODEL_LENGTH = 512;
    static final int BLOCKS = 200;
    static final Duration LONG = Duration.ofMinutes(2);

    /** What a test may choose. */
    record Setup(Part part, int tpSize, int blockSize, Terms terms, boolean caches) {
        static Setup of(Role role, Connector connector) {
            return new Setup(new Part(role, connector), 1, 16, new Terms(LONG, LONG, FailurePolicy.RECOMPUTE), true);
        }

        Setup withTpSize(int size) {
            return new Setup(part, size, blockSize, terms, caches);
        }

        Setup withBlockSize(int size) {
            return new Setup(part, tpSize, size, terms, caches);
        }

        Setup withLease(Duration lease) {
            return new Setup(
                    part, tpSize, blockSize, new Terms(lease, terms.fetchTimeout(), terms.failurePolicy()), caches);
        }

        Setup withFetchTimeout(Duration timeout) {
            return new Setup(
                    part, tpSize, blockSize, new Terms(terms.leaseTimeout(), timeout, terms.failurePolicy()), caches);
        }

        Setup withoutCache() {
            return new Setup(part, tpSize, blockSize, terms, false);
        }

        Setup failing() {
            return new Setup(
                    part,
                    tpSize,
                    blockSize,
                    new Terms(terms.leaseTimeout(), terms.fetchTimeout(), FailurePolicy.FAIL),
                    caches);
        }
    }

    final Engine engine;
    private final Checkpoint checkpoint;
    private final List<KernelThreads> threads = new ArrayList<>();
    private final HandoffHub hub;

    ExchangeNode(Path path, Setup setup) {
        this(path, setup, (invitation, answered) -> answered.accept(Optional.of("nobody is invited here")));
    }

    ExchangeNode(Path path, Setup setup, Invitation.Messenger messenger) {
        this(path, setup, messenger, new Peers.FromTicket(1));
    }

    /** A node that finds its peers in a rank table. */
    ExchangeNode(Path path, Setup setup, Peers.FromRankTable peers) {
        this(path, setup, (invitation, answered) -> answered.accept(Optional.of("nobody is invited here")), peers);
    }

    private ExchangeNode(Path path, Setup setup, Invitation.Messenger messenger, Peers peers) {
        this.hub = HandoffHub.start(new HandoffHub.Setup("127.0.0.1", messenger, 0));
        this.checkpoint = Checkpoint.open(path);
        var group = new TensorGroup(setup.tpSize(), false);
        var shards = new ArrayList<EngineParts.Shard>();
        for (int tp = 0; tp < setup.tpSize(); tp++) {
            threads.add(new KernelThreads(1));
            var context = new RankContext(
                    new Rank(tp, setup.tpSize(), 0, 1),
                    group.member(tp),
                    KernelSelection.best().kernels(),
                    threads.getLast(),
                    Optional.empty());
            var model = ModelLoader.load(checkpoint, context, new StepLimits(64, 8, MODEL_LENGTH));
            var pool = new KvPool(model.kvLayout(setup.blockSize(), DType.F32), BLOCKS);
            shards.add(new EngineParts.Shard(model, pool, group.member(tp)));
        }
        String engineId = peers instanceof Peers.FromRankTable ? "0" : setup.part().role().name();
        var handoff = new HandoffConfig(engineId, 0, setup.part(), peers, setup.terms());
        var config =
                new EngineConfig(MODEL_LENGTH, new Limits(64, 8, 64, true), setup.caches(), 0, Optional.of(handoff));
        this.engine = Engine.start(config, new EngineParts(0, shards, Optional.of(hub)), Duration.ofMillis(20));
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
        threads.forEach(KernelThreads::close);
        checkpoint.close();
    }
}
