package dev.tandem.engine.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.Replica;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/** A head and nodes over loopback in one process, and the words in which tests speak of them. */
final class ClusterFixture implements AutoCloseable {
    private static final AtomicInteger HEADS = new AtomicInteger();
    static final Duration PATIENCE = Duration.ofSeconds(30);
    static final ChannelLimits LIMITS = new ChannelLimits(Duration.ofSeconds(10), 1 << 20, 256, 1 << 20);
    static final int DP_SIZE = 4;

    /** A node with its replicas, and what it reported. */
    record Node(
            ClusterMember node,
            List<FakeReplica> replicas,
            BlockingQueue<String> reports,
            BlockingQueue<Members> members)
            implements AutoCloseable {
        String report() throws InterruptedException {
            return taken(reports);
        }

        Members nextMembers() throws InterruptedException {
            return taken(members);
        }

        @Override
        public void close() {
            node.close();
        }
    }

    /** A head with a replica of its own, rank 0. */
    record Head(
            ClusterHead head,
            ReplicaSet replicas,
            FakeReplica own,
            Counters<ClusterCounter> counters,
            BlockingQueue<Members> members)
            implements AutoCloseable {
        void awaitAll() throws InterruptedException {
            head.awaitAll(PATIENCE, report -> {});
        }

        @Override
        public void close() {
            head.close();
        }
    }

    private final List<Runnable> closers = new ArrayList<>();

    static JoinTerms terms(int from, int to) {
        return new JoinTerms(
                "0.1.0",
                new ModelTerms("QWEN3_MOE", "4 layers", "f1", new ModelTerms.Numbers("bfloat16", "none"), 512),
                new ParallelLayout(DP_SIZE, true, true, 1),
                new KvTerms(16, List.of("k.0 BF16 4 x 16 of 4 heads", "v.0 BF16 4 x 16 of 4 heads")),
                new MemberPlacement(new Shard(from, to), "127.0.1." + (1 + from), 7000 + from));
    }

    /** A port below those that systems hand out, one per call and process: nobody takes it before its head listens. */
    static int headPort() {
        return 20_000 + (int) ((ProcessHandle.current().pid() * 16 + HEADS.getAndIncrement()) % 10_000);
    }

    static InetSocketAddress loopback(int port) {
        return new InetSocketAddress("127.0.0.1", port);
    }

    Head head(int port) throws IOException {
        return head(port, terms(0, 1), ClusterSecret.none());
    }

    Head head(int port, JoinTerms terms, ClusterSecret secret) throws IOException {
        var counters = new Counters<>(ClusterCounter.class);
        var replicas = new ReplicaSet(DP_SIZE, 1, counters);
        var own = new FakeReplica();
        if (terms.placement().ranks().size() == 1) {
            replicas.add(0, own, "this process");
        }
        var members = new LinkedBlockingQueue<Members>();
        var head = new Head(
                ClusterHead.start(
                        new ClusterHead.HeadSetup(loopback(port), terms, secret, LIMITS),
                        replicas,
                        counters,
                        members::add),
                replicas,
                own,
                counters,
                members);
        closers.add(head::close);
        return head;
    }

    Node node(int port, int from, int to) {
        return node(port, terms(from, to), ClusterSecret.none());
    }

    Node node(int port, JoinTerms terms, ClusterSecret secret) {
        return node(port, terms, secret, PATIENCE);
    }

    Node node(int port, JoinTerms terms, ClusterSecret secret, Duration deadline) {
        var replicas = new ArrayList<FakeReplica>();
        var byRank = new TreeMap<Integer, Replica>();
        for (int rank = terms.placement().ranks().from();
                rank < terms.placement().ranks().to();
                rank++) {
            replicas.add(new FakeReplica());
            byRank.put(rank, replicas.getLast());
        }
        var reports = new LinkedBlockingQueue<String>();
        var members = new LinkedBlockingQueue<Members>();
        var patience =
                new ClusterMember.Patience(deadline, Duration.ofMillis(5), Duration.ofMillis(20), Duration.ofMillis(5));
        var node = new Node(
                ClusterMember.start(
                        new ClusterMember.MemberSetup(loopback(port), terms, secret, LIMITS, patience),
                        new ClusterMember.Service(
                                byRank, new Counters<>(ClusterCounter.class), members::add, reports::add)),
                replicas,
                reports,
                members);
        closers.add(node::close);
        return node;
    }

    static Request request(String id, int maxTokens) {
        return new Request(
                id, new int[] {1, 2, 3}, SamplingOptions.greedy(maxTokens), new HandoffRole.None(), PATIENCE);
    }

    static TokenEvent next(TokenStream stream) throws InterruptedException {
        return stream.next(PATIENCE);
    }

    static <T> T taken(BlockingQueue<T> queue) throws InterruptedException {
        T it = queue.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        assertThat(it).as("nothing came").isNotNull();
        return it;
    }

    /** Waits for a state that comes without anybody saying so. */
    static void await(BooleanSupplier state) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!state.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waiting in vain").isLessThan(deadline);
            Thread.yield();
        }
    }

    @Override
    public void close() {
        closers.reversed().forEach(Runnable::run);
    }
}
