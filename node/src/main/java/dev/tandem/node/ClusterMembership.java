package dev.tandem.node;

import dev.tandem.api.Version;
import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.Quantization;
import dev.tandem.counter.Counters;
import dev.tandem.engine.Replica;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ClusterHead;
import dev.tandem.engine.cluster.ClusterMember;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.KvTerms;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.MemberStatus;
import dev.tandem.engine.cluster.Members;
import dev.tandem.engine.cluster.ModelFingerprint;
import dev.tandem.engine.cluster.ModelTerms;
import dev.tandem.engine.cluster.ParallelLayout;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.request.EngineException;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.Parallel.Balancing;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The part of this process in its deployment. A head waits for the others at start and gives requests to their ranks too; a headless
 * node joins it. Where somebody else balances, processes join only to exchange expert rows. A process that has all ranks is alone.
 */
final class ClusterMembership implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterMembership.class);
    /** The flags that name the head's address, for messages. */
    static final String JOIN_FLAGS = "--data-parallel-address and --data-parallel-rpc-port";

    private static final Duration SILENCE = Duration.ofSeconds(10);
    private static final int MAX_FRAME_BYTES = 64 << 20;
    private static final int MAX_QUEUED_FRAMES = 4096;
    private static final long MAX_QUEUED_BYTES = 256L << 20;

    private final ReplicaSet replicas;
    private final Optional<ClusterHead> head;
    private final Optional<ClusterMember> member;

    private ClusterMembership(ReplicaSet replicas, Optional<ClusterHead> head, Optional<ClusterMember> member) {
        this.replicas = replicas;
        this.head = head;
        this.member = member;
    }

    /** Limits of every connection between processes of a deployment. */
    static ChannelLimits channelLimits() {
        return new ChannelLimits(SILENCE, MAX_FRAME_BYTES, MAX_QUEUED_FRAMES, MAX_QUEUED_BYTES);
    }

    /** Where others join this process; empty unless it is the head of several. */
    static Optional<InetSocketAddress> joinAddress(NodeConfig config) {
        Parallel parallel = config.flags().parallel();
        return mustMeet(parallel) && parallel.isMeetingPoint() ? Optional.of(headAddress(parallel)) : Optional.empty();
    }

    private static InetSocketAddress headAddress(Parallel parallel) {
        return new InetSocketAddress(parallel.head().address(), parallel.head().rpcPort());
    }

    private static boolean mustMeet(Parallel parallel) {
        boolean isApart = parallel.hasRemoteRanks() || parallel.isHeadless(); // a head may be without ranks
        return isApart && (parallel.data().balancing() == Balancing.INTERNAL || parallel.hasExpertParallel());
    }

    /**
     * Returns when all ranks are there, or when this node has joined.
     *
     * @param terms what this process says of itself
     * @param secret that the others must know
     * @param local its engines by data-parallel rank
     * @param onMembers hears who is there, at every change
     * @throws EngineException INVALID when the head refuses this process, UNAVAILABLE when somebody is missing after the deadline
     */
    static ClusterMembership start(
            NodeConfig config,
            JoinTerms terms,
            ClusterSecret secret,
            SortedMap<Integer, Replica> local,
            Consumer<Members> onMembers,
            Counters<ClusterCounter> counters)
            throws InterruptedException {
        Parallel parallel = config.flags().parallel();
        var replicas = new ReplicaSet(
                parallel.data().size(), config.flags().model().generation().seed(), counters);
        local.forEach((dpRank, replica) -> replicas.add(dpRank, replica, "here"));
        if (!mustMeet(parallel)) {
            return new ClusterMembership(replicas, Optional.empty(), Optional.empty());
        }
        InetSocketAddress address = headAddress(parallel);
        Duration deadline = Duration.ofSeconds(parallel.head().joinTimeoutSeconds());
        if (parallel.isMeetingPoint()) {
            var setup = new ClusterHead.HeadSetup(address, terms, secret, channelLimits());
            ClusterHead head = startHead(setup, replicas, counters, onMembers);
            await(head::close, () -> head.awaitAll(deadline, ClusterMembership::report));
            return new ClusterMembership(replicas, Optional.of(head), Optional.empty());
        }
        ClusterMember member = ClusterMember.start(
                new ClusterMember.MemberSetup(
                        address, terms, secret, channelLimits(), ClusterMember.Patience.of(deadline)),
                new ClusterMember.Service(local, counters, onMembers, ClusterMembership::report));
        await(member::close, member::awaitJoined);
        return new ClusterMembership(replicas, Optional.empty(), Optional.of(member));
    }

    private static ClusterHead startHead(
            ClusterHead.HeadSetup setup,
            ReplicaSet replicas,
            Counters<ClusterCounter> counters,
            Consumer<Members> onMembers) {
        try {
            return ClusterHead.start(setup, replicas, counters, onMembers);
        } catch (IOException e) {
            throw new EngineException(EngineException.Kind.UNAVAILABLE, JOIN_FLAGS + ": " + e.getMessage(), e);
        }
    }

    private interface InterruptibleWait {
        void run() throws InterruptedException;
    }

    /** Waits for the others; whoever waited in vain leaves nothing open. */
    private static void await(Resources.Part part, InterruptibleWait wait) throws InterruptedException {
        try {
            wait.run();
        } catch (RuntimeException | InterruptedException e) {
            part.close();
            throw e;
        }
    }

    private static void report(String sentence) {
        LOG.info("stage=\"{}\"", sentence);
    }

    /**
     * What this process says of itself.
     *
     * @param expertPort where it takes rows for its experts; 0 when it takes none
     */
    static JoinTerms terms(NodeConfig config, Checkpoint checkpoint, RankPlan plan, int expertPort) {
        Parallel parallel = config.flags().parallel();
        var numbers = new ModelTerms.Numbers(
                config.flags().model().numerics().dtype(),
                checkpoint.quantization().map(Quantization::method).orElse("none"));
        Parallel.Data data = parallel.data();
        return new JoinTerms(
                Version.TEXT,
                ModelTerms.of(checkpoint.config(), ModelFingerprint.of(checkpoint), numbers, plan.maxModelLength()),
                new ParallelLayout(
                        data.size(),
                        parallel.hasExpertParallel(),
                        data.balancing() == Balancing.INTERNAL,
                        parallel.tensor()),
                KvTerms.of(plan.layout()),
                new MemberPlacement(
                        new Shard(data.startRank(), data.startRank() + data.localSize()),
                        config.announcedHost(),
                        expertPort));
    }

    /** All ranks that this process gives requests to. */
    ReplicaSet replicas() {
        return replicas;
    }

    /** The other processes, as the head knows them. */
    List<MemberStatus> others() {
        return head.map(ClusterHead::statuses).orElse(List.of());
    }

    /** Why this process can no longer be part of its deployment. */
    Optional<String> failure() {
        return member.filter(node -> node.ended().isDone())
                .map(node -> String.valueOf(node.ended().join().getMessage()));
    }

    @Override
    public void close() {
        member.ifPresent(ClusterMember::close);
        head.ifPresent(ClusterHead::close);
    }
}
