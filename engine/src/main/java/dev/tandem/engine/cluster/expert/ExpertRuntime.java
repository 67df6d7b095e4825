package dev.tandem.engine.cluster.expert;

import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.Members;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.channel.FrameListener;
import dev.tandem.layer.ExpertBank;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A process's part in the exchange of expert rows: its workers, the port where foreign rows come in, and the ways to the experts of other
 * processes. Thread-safe: what changes is one immutable map of who owns what, replaced as a whole.
 */
public final class ExpertRuntime implements AutoCloseable {
    private static final int MAX_TASKS = 4096; // that wait for one worker
    private static final int MAX_FRAME_BYTES = 16 << 20; // 1,024 rows of 4,096 values
    private static final int MAX_QUEUED_FRAMES = 4096;
    private static final long MAX_QUEUED_BYTES = 256L << 20;
    private static final int SPARE_CONNECTIONS = 16; // that have not said who they are

    /**
     * @param address where rows of other processes come in; bound as it is
     * @param terms of this process; its placement names the port only after {@link ExpertRuntime#port}
     * @param secret that other processes must know
     * @param limits of each connection
     * @param patience how callers wait
     * @param maxForeignCalls that may be under way over one connection
     */
    public record Setup(
            InetSocketAddress address,
            JoinTerms terms,
            ClusterSecret secret,
            ChannelLimits limits,
            Patience patience,
            int maxForeignCalls) {}

    /**
     * @param answer longest time for the results of one call; then they are computed here
     * @param connect longest time for a connection to stand
     * @param firstPause between two tries to connect; doubles up to {@code longestPause}, which is also how long an owner that did not
     *     answer in time is left alone
     */
    public record Patience(Duration answer, Duration connect, Duration firstPause, Duration longestPause) {
        /** For processes on one network. */
        public static final Patience USUAL = new Patience(
                Duration.ofSeconds(10), Duration.ofSeconds(5), Duration.ofMillis(100), Duration.ofSeconds(10));

        Duration longer(Duration pause) {
            Duration twice = pause.multipliedBy(2);
            return twice.compareTo(longestPause) < 0 ? twice : longestPause;
        }
    }

    /**
     * Bounds of a connection for rows.
     *
     * @param silence as in {@link ChannelLimits}
     */
    public static ChannelLimits limits(Duration silence) {
        return new ChannelLimits(silence, MAX_FRAME_BYTES, MAX_QUEUED_FRAMES, MAX_QUEUED_BYTES);
    }

    /** A process whose experts this one uses. */
    public record PeerStatus(MemberPlacement placement, Optional<String> downReason) {}

    private final Setup setup;
    private final ExpertShape shape;
    private final Counters<ClusterCounter> counters;
    private final ExpertDistribution distribution;
    private final AtomicInteger atWork = new AtomicInteger(); // threads that compute experts now
    private final AtomicInteger nextWorker = new AtomicInteger(); // they take turns
    private final List<ExpertWorker> workers = new ArrayList<>();
    private final FrameListener listener;
    private volatile ExpertMap map; // replaced by update()

    private ExpertRuntime(Setup setup, List<ExpertBank> banks, ExpertShape shape, Counters<ClusterCounter> counters)
            throws IOException {
        this.setup = setup;
        this.shape = shape;
        this.counters = counters;
        int tpSize = setup.terms().layout().tpSize();
        int ranks = setup.terms().layout().dpSize() * tpSize;
        this.distribution = new ExpertDistribution(shape.experts(), ranks);
        this.map = ExpertMap.of(distribution, tpSize, setup.terms().placement(), Map.of());
        this.listener = FrameListener.start(
                setup.address(), setup.limits(), ranks + SPARE_CONNECTIONS, channel -> new ExpertServer(channel, this));
        for (ExpertBank bank : banks) {
            workers.add(new ExpertWorker(workers.size(), bank, atWork, MAX_TASKS));
        }
    }

    /**
     * Listens and computes from now on; knows no other process before {@link #update}.
     *
     * @param banks one per worker, at least one; each is used by its worker only. As many as there are local ranks is plenty; more than
     *     cores does not help
     * @param hiddenSize values of a row
     * @throws IOException naming the address when it cannot be bound
     */
    public static ExpertRuntime start(
            Setup setup, List<ExpertBank> banks, int hiddenSize, Counters<ClusterCounter> counters) throws IOException {
        if (banks.isEmpty()) {
            throw new IllegalArgumentException("experts need at least one bank");
        }
        return new ExpertRuntime(setup, banks, ExpertShape.of(banks.getFirst(), hiddenSize), counters);
    }

    /** Where foreign rows come in. */
    public int port() {
        return listener.port();
    }

    /**
     * The exchange of one rank of this process.
     *
     * @param bank used by the rank's worker thread only
     */
    public ExpertRouter router(ExpertBank bank) {
        return new ExpertRouter(this, bank);
    }

    /** The processes that are there now; their ranks' rows go there from the next layer on. Returns at once. */
    public synchronized void update(Members members) {
        var before = new HashMap<MemberPlacement, ExpertPeer>();
        map.peers().forEach(peer -> before.put(peer.placement(), peer));
        var after = new HashMap<MemberPlacement, ExpertPeer>();
        MemberPlacement own = setup.terms().placement();
        for (MemberPlacement placement : members.placements()) {
            if (!placement.ranks().equals(own.ranks()) && hasExperts(placement)) {
                ExpertPeer known = before.remove(placement);
                after.put(placement, known == null ? new ExpertPeer(placement, setup) : known);
            }
        }
        map = ExpertMap.of(distribution, setup.terms().layout().tpSize(), own, after);
        before.values().forEach(ExpertPeer::close);
    }

    /** False where no rank of a process owns experts: nobody needs a way there. */
    private boolean hasExperts(MemberPlacement placement) {
        int tpSize = setup.terms().layout().tpSize();
        return placement.expertPort() != 0
                && distribution.areOwners(
                        placement.ranks().from() * tpSize, placement.ranks().to() * tpSize);
    }

    /** Other processes that own experts, by ascending rank. */
    public List<PeerStatus> peers() {
        return map.peers().stream()
                .map(peer -> new PeerStatus(peer.placement(), peer.downReason()))
                .toList();
    }

    /** False when a worker has died, which is a fault of ours. */
    public boolean isHealthy() {
        return workers.stream().allMatch(ExpertWorker::isAlive);
    }

    /** Ends connections and workers. No rank may be in an exchange. */
    @Override
    public void close() {
        listener.close();
        List<ExpertPeer> peers = map.peers();
        peers.forEach(ExpertPeer::close);
        peers.forEach(ExpertPeer::awaitEnd);
        workers.forEach(ExpertWorker::close);
    }

    Setup setup() {
        return setup;
    }

    ExpertShape shape() {
        return shape;
    }

    Counters<ClusterCounter> counters() {
        return counters;
    }

    ExpertMap map() {
        return map;
    }

    AtomicInteger atWork() {
        return atWork;
    }

    /** Workers that a core is likely to be free for. */
    int spareWorkers() {
        int cores = Runtime.getRuntime().availableProcessors();
        return Math.clamp(cores - atWork.get(), 0, workers.size());
    }

    /** Gives a task to a worker; false when as many wait as may. */
    boolean post(ExpertTask task) {
        int first = Math.floorMod(nextWorker.getAndIncrement(), workers.size());
        return workers.get(first).offer(task);
    }

    /** Cuts rows into as many tasks as there are workers to spare, at least one, by whole experts of about as many rows each. */
    List<ExpertTask> split(ExpertRows rows, ExpertTask.Owner owner) {
        return split(rows, RowRange.of(rows, 0, rows.experts()), Math.max(1, spareWorkers()), owner);
    }

    /** Cuts a range into at most so many tasks. */
    static List<ExpertTask> split(ExpertRows rows, RowRange range, int parts, ExpertTask.Owner owner) {
        var tasks = new ArrayList<ExpertTask>();
        int expert = range.fromExpert();
        int row = range.fromRow();
        for (int part = 1; part <= parts && row < range.toRow(); part++) {
            int wanted = range.fromRow() + (int) ((long) range.rows() * part / parts);
            int end = expert;
            int endRow = row;
            while (end < range.toExpert() && endRow < wanted) {
                end++;
                endRow = Math.min(rows.firstRow(end), range.toRow());
            }
            if (endRow > row) {
                tasks.add(new ExpertTask(rows, new RowRange(expert, end, row, endRow), owner));
                expert = end;
                row = endRow;
            }
        }
        return tasks;
    }
}
