package dev.tandem.node;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.Members;
import dev.tandem.engine.cluster.expert.ExpertRuntime;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** This process's part in expert parallelism: threads that compute experts for all ranks, and the way to those of other processes. */
final class LocalExperts implements AutoCloseable {
    private static final Duration SILENCE = Duration.ofSeconds(10);
    private static final int MAX_ROWS = 64; // that an expert computes together
    private static final int MAX_FOREIGN_CALLS = 4096; // of one other process

    private final ExpertBank bank; // shares its weights with all others; used by no thread itself
    private final List<KernelThreads> threads;
    private final ExpertRuntime runtime;

    private LocalExperts(ExpertBank bank, List<KernelThreads> threads, ExpertRuntime runtime) {
        this.bank = bank;
        this.threads = threads;
        this.runtime = runtime;
    }

    /**
     * Listens on the announced address and starts as many threads as cores, but no more than ranks.
     *
     * @param terms of this process; the port for expert rows in its placement does not count
     * @param secret that others must know
     * @throws NodeException when the address cannot be bound
     */
    static LocalExperts start(
            NodeConfig config,
            LoadedModel loaded,
            JoinTerms terms,
            ClusterSecret secret,
            Counters<ClusterCounter> counters) {
        KernelSelection kernels = loaded.kernels();
        Checkpoint checkpoint = loaded.checkpoint();
        var threads = new ArrayList<KernelThreads>();
        threads.add(new KernelThreads(1));
        ExpertBank bank = ModelLoader.experts(
                checkpoint, RankContext.single(kernels.kernels(threads.getFirst())), new StepLimits(MAX_ROWS, 1, 1));
        var banks = new ArrayList<ExpertBank>();
        int workers = Math.min(config.cores(), config.flags().parallel().localRanks());
        for (int worker = 0; worker < workers; worker++) {
            threads.add(new KernelThreads(1));
            banks.add(bank.forThread(RankContext.single(kernels.kernels(threads.getLast()))));
        }
        var setup = new ExpertRuntime.Setup(
                new InetSocketAddress(config.announcedHost(), 0),
                terms,
                secret,
                ExpertRuntime.limits(SILENCE),
                ExpertRuntime.Patience.USUAL,
                MAX_FOREIGN_CALLS);
        try {
            return new LocalExperts(
                    bank,
                    threads,
                    ExpertRuntime.start(setup, banks, checkpoint.config().hiddenSize(), counters));
        } catch (IOException e) {
            threads.forEach(KernelThreads::close);
            throw new NodeException(
                    "expert parallelism cannot listen on " + config.announcedHost() + ": " + e.getMessage(), e);
        }
    }

    /**
     * One rank's way to all experts.
     *
     * @param rankKernels of that rank, whose worker also computes experts
     */
    ExpertExchange exchange(Kernels rankKernels) {
        return runtime.router(bank.forThread(RankContext.single(rankKernels)));
    }

    /** Where foreign rows come in. */
    int port() {
        return runtime.port();
    }

    /** Who is there now. */
    void update(Members members) {
        runtime.update(members);
    }

    @Override
    public void close() {
        runtime.close();
        threads.forEach(KernelThreads::close);
    }
}
