package dev.tandem.engine.cluster.expert;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.KvTerms;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.Members;
import dev.tandem.engine.cluster.ModelTerms;
import dev.tandem.engine.cluster.ParallelLayout;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.expert.ExpertRuntime.Patience;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.SwiGluWeights;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;

/** A small model of experts (its first layer is dense), processes over loopback that share them, and rows with what they must become. */
final class ExpertFixture implements AutoCloseable {
    static final int LAYERS = 3;
    static final int EXPERTS = 10;
    static final int HIDDEN = 24;
    static final Duration PATIENCE = Duration.ofSeconds(30);
    static final ChannelLimits LIMITS = ExpertRuntime.limits(Duration.ofSeconds(10));
    static final Patience PATIENT = new Patience(PATIENCE, PATIENCE, Duration.ofMillis(5), Duration.ofMillis(20));

    private static final int INNER = 16;
    private static final int BANK_ROWS = 7; // fewer than an expert may get
    private static final List<List<SwiGluWeights>> WEIGHTS = weights();

    private final List<Runnable> closers = new ArrayList<>();
    private final int dpSize;

    /** One process. */
    record Process(
            ExpertRuntime runtime, ExpertRouter router, Counters<ClusterCounter> counters, MemberPlacement placement)
            implements AutoCloseable {
        long count(ClusterCounter counter) {
            return counters.value(counter);
        }

        @Override
        public void close() {
            runtime.close();
        }
    }

    /** @param dpSize ranks of the deployment */
    ExpertFixture(int dpSize) {
        this.dpSize = dpSize;
    }

    JoinTerms terms(MemberPlacement placement) {
        return new JoinTerms(
                "0.1.0",
                new ModelTerms("QWEN3_MOE", "3 layers", "f1", new ModelTerms.Numbers("float32", "none"), 512),
                new ParallelLayout(dpSize, true, true, 1),
                new KvTerms(16, List.of("k.0 F32")),
                placement);
    }

    static MemberPlacement placement(int from, int to, int port) {
        return new MemberPlacement(new Shard(from, to), "127.0.0.1", port);
    }

    Process process(int from, int to) throws IOException {
        return process(from, to, 0, PATIENT);
    }

    Process process(int from, int to, int port, Patience patience) throws IOException {
        return process(from, to, setup(from, to, port, patience, LIMITS, 64));
    }

    ExpertRuntime.Setup setup(
            int from, int to, int port, Patience patience, ChannelLimits limits, int maxForeignCalls) {
        return new ExpertRuntime.Setup(
                new InetSocketAddress("127.0.0.1", port),
                terms(placement(from, to, port)),
                ClusterSecret.of("the cluster's secret"),
                limits,
                patience,
                maxForeignCalls);
    }

    Process process(int from, int to, ExpertRuntime.Setup setup) throws IOException {
        var counters = new Counters<>(ClusterCounter.class);
        ExpertRuntime runtime = ExpertRuntime.start(setup, List.of(bank(), bank()), HIDDEN, counters);
        var process = new Process(runtime, runtime.router(bank()), counters, placement(from, to, runtime.port()));
        closers.add(process::close);
        return process;
    }

    /** Makes processes known to each other and waits until all connections stand. */
    static void introduce(List<Process> processes) {
        var members = new Members(processes.stream().map(Process::placement).toList());
        processes.forEach(process -> process.runtime().update(members));
        processes.forEach(ExpertFixture::awaitPeers);
    }

    static void awaitPeers(Process process) {
        await(() -> process.runtime().peers().stream()
                .allMatch(peer -> peer.downReason().isEmpty()));
    }

    static void await(BooleanSupplier state) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!state.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waiting in vain").isLessThan(deadline);
            Thread.yield();
        }
    }

    static ExpertBank bank() {
        var context = RankContext.single(new ScalarKernels(new KernelThreads(1)));
        return new ExpertBank(context, WEIGHTS, BANK_ROWS);
    }

    /** Rows of a layer with experts; some experts get none. */
    static ExpertRows rows(int seed) {
        return rows(seed, 20);
    }

    static ExpertRows rows(int seed, int mostOfAnExpert) {
        var random = new SplittableRandom(seed);
        var rows = new ExpertRows(EXPERTS * mostOfAnExpert, HIDDEN, EXPERTS);
        rows.begin(1 + random.nextInt(LAYERS - 1));
        for (int expert = 0; expert < EXPERTS; expert++) {
            rows.count(expert, random.nextInt(3) == 0 ? 0 : random.nextInt(mostOfAnExpert));
        }
        for (int i = 0; i < rows.rows() * HIDDEN; i++) {
            rows.x().values()[i] = (float) random.nextDouble(-2, 2);
        }
        Arrays.fill(rows.results().values(), Float.NaN); // whatever is not written shows
        return rows;
    }

    /** What one bank makes of the rows. */
    static float[] expected(ExpertRows rows) {
        ExpertBank bank = bank();
        var results = Matrix.of(rows.results().rows(), HIDDEN);
        for (int expert = 0; expert < EXPERTS; expert++) {
            int count = rows.firstRow(expert + 1) - rows.firstRow(expert);
            if (count > 0) {
                bank.compute(rows.layer(), expert, rows.x(), rows.firstRow(expert), count, results);
            }
        }
        return Arrays.copyOf(results.values(), rows.rows() * HIDDEN);
    }

    /** The same bits. */
    static void assertRight(ExpertRows rows) {
        assertThat(Arrays.copyOf(rows.results().values(), rows.rows() * HIDDEN)).isEqualTo(expected(rows));
    }

    @Override
    public void close() {
        closers.reversed().forEach(Runnable::run);
    }

    private static List<List<SwiGluWeights>> weights() {
        var random = new SplittableRandom(5);
        var layers = new ArrayList<List<SwiGluWeights>>();
        for (int layer = 0; layer < LAYERS; layer++) {
            var experts = new ArrayList<SwiGluWeights>();
            for (int expert = 0; layer > 0 && expert < EXPERTS; expert++) {
                experts.add(new SwiGluWeights(
                        tensor(random, INNER, HIDDEN), tensor(random, INNER, HIDDEN), tensor(random, HIDDEN, INNER)));
            }
            layers.add(experts);
        }
        return layers;
    }

    private static Tensor tensor(SplittableRandom random, int rows, int columns) {
        MemorySegment data = Arena.ofAuto().allocate((long) rows * columns * Float.BYTES, 64);
        for (long i = 0; i < (long) rows * columns; i++) {
            data.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextDouble(-1, 1));
        }
        return new Tensor(DType.F32, List.of(rows, columns), data);
    }
}
