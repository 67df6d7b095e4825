package dev.tandem.engine.cluster;

import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.channel.FrameListener;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The head of a deployment: lets headless nodes join at {@code --data-parallel-address:--data-parallel-rpc-port}, adds their ranks to
 * those that requests are given to, tells everybody who is there, and takes a node out when its connection ends. Thread-safe: the table of
 * members has one lock, under which members are also told, so that nobody hears of an older list after a newer one.
 */
public final class ClusterHead implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterHead.class);
    private static final int SPARE_CONNECTIONS = 16; // that have not said who they are
    private static final Duration REPORT_EVERY = Duration.ofSeconds(10);

    /**
     * @param address where nodes join; bound as it is
     * @param terms of this process
     * @param secret that nodes must know
     * @param limits of each connection
     */
    public record HeadSetup(InetSocketAddress address, JoinTerms terms, ClusterSecret secret, ChannelLimits limits) {}

    private final HeadSetup setup;
    private final ReplicaSet replicas;
    private final Counters<ClusterCounter> counters;
    private final Consumer<Members> onMembers;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final MemberTable table; // guarded by the lock
    private final List<Session> joined = new ArrayList<>(); // guarded by the lock
    private final FrameListener listener;

    private ClusterHead(
            HeadSetup setup, ReplicaSet replicas, Counters<ClusterCounter> counters, Consumer<Members> onMembers)
            throws IOException {
        this.setup = setup;
        this.replicas = replicas;
        this.counters = counters;
        this.onMembers = onMembers;
        int dpSize = setup.terms().layout().dpSize();
        this.table = new MemberTable(setup.terms().placement(), dpSize);
        this.listener = FrameListener.start(setup.address(), setup.limits(), dpSize + SPARE_CONNECTIONS, Session::new);
    }

    /**
     * Listens from now on.
     *
     * @param replicas gets the ranks of nodes that join, unless balancing is not the head's
     * @param onMembers told of every change, at first of the head alone; must not wait
     * @throws IOException naming the address when it cannot be bound
     */
    public static ClusterHead start(
            HeadSetup setup, ReplicaSet replicas, Counters<ClusterCounter> counters, Consumer<Members> onMembers)
            throws IOException {
        var head = new ClusterHead(setup, replicas, counters, onMembers);
        head.lock.lock();
        try {
            head.tellMembers();
        } finally {
            head.lock.unlock();
        }
        return head;
    }

    /** The port that nodes join at. */
    public int port() {
        return listener.port();
    }

    /** All that are there, this process among them. */
    public Members members() {
        lock.lock();
        try {
            return table.members();
        } finally {
            lock.unlock();
        }
    }

    /** Other processes that are there or were. */
    public List<MemberStatus> statuses() {
        lock.lock();
        try {
            return table.statuses(System.nanoTime());
        } finally {
            lock.unlock();
        }
    }

    /** Ranks that are not there. */
    public List<Shard> missing() {
        return members().missing(setup.terms().layout().dpSize());
    }

    /**
     * Waits until every rank is there.
     *
     * @param report hears what is waited for: at first, at every change, and every ten seconds
     * @throws EngineException UNAVAILABLE naming the missing ranks when the deadline passes
     */
    public void awaitAll(Duration deadline, Consumer<String> report) throws InterruptedException {
        long endNs = System.nanoTime() + deadline.toNanos();
        List<Shard> missing = missing();
        while (!missing.isEmpty()) {
            long leftNs = endNs - System.nanoTime();
            if (leftNs <= 0) {
                throw new EngineException(
                        Kind.UNAVAILABLE,
                        describe(missing) + " have not joined at " + FrameChannel.describe(setup.address()) + " within "
                                + deadline.toSeconds() + " s");
            }
            report.accept("waiting for " + describe(missing) + " of "
                    + setup.terms().layout().dpSize() + " to join at " + FrameChannel.describe(setup.address()));
            missing = missingAfterChange(missing, Math.min(leftNs, REPORT_EVERY.toNanos()));
        }
    }

    /** Lets every connection end and frees the port. */
    @Override
    public void close() {
        listener.close();
    }

    private List<Shard> missingAfterChange(List<Shard> before, long timeoutNs) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = timeoutNs;
            while (missing().equals(before) && left > 0) {
                left = changed.awaitNanos(left);
            }
            return missing();
        } finally {
            lock.unlock();
        }
    }

    private static String describe(List<Shard> ranks) {
        return ranks.stream().map(MemberPlacement::describe).collect(Collectors.joining(" and "));
    }

    /** Guarded by the lock. */
    private void tellMembers() {
        Members members = table.members();
        byte[] body = members.encode();
        for (Session session : joined) {
            if (!session.channel.offer(FrameKind.MEMBERS, body)) {
                session.channel.close("it has no room for the list of members");
            }
        }
        changed.signalAll();
        onMembers.accept(members);
    }

    /** Guarded by the lock. */
    private void join(Session session, JoinTerms terms, ReplicaLink link) {
        if (terms.layout().isBalancedByHead()) {
            Shard ranks = terms.placement().ranks();
            for (int rank = ranks.from(); rank < ranks.to(); rank++) {
                replicas.add(
                        rank, new RemoteReplica(link, rank), terms.placement().toString());
            }
        }
        joined.add(session);
        tellMembers();
    }

    private void leave(Session session, ReplicaLink link, String cause) {
        replicas.remove(link.placement().ranks()); // first: nothing that fails now is run there again
        lock.lock();
        try {
            joined.remove(session);
            table.leave(link.placement(), cause, System.nanoTime());
            tellMembers();
        } finally {
            lock.unlock();
        }
        if (session.isLeaving) {
            counters.increment(ClusterCounter.NODES_LEFT);
            int ended = link.fail("left", cause);
            LOG.info("{} took leave with {} requests under way", link.placement(), ended);
        } else {
            counters.increment(ClusterCounter.NODES_LOST);
            int failed = link.fail("died", cause);
            LOG.warn("{} is gone with {} requests under way: {}", link.placement(), failed, cause);
        }
    }

    /** One connection; its methods are called by its reader thread. */
    private final class Session implements FrameChannel.FrameHandler {
        private final FrameChannel channel;
        private final ListeningGreeting greeting;
        private @Nullable ReplicaLink link; // once it has joined
        private boolean isLeaving; // it has said so

        Session(FrameChannel channel) {
            this.channel = channel;
            this.greeting = new ListeningGreeting(channel, setup.terms(), setup.secret(), Wire.CLUSTER);
        }

        @Override
        public void received(FrameKind kind, ByteBuffer body) throws FrameException {
            if (link != null && kind == FrameKind.LEAVE) {
                isLeaving = true;
                channel.close("it was told to end");
                return;
            }
            if (link != null) {
                link.received(kind, body);
                return;
            }
            lock.lock();
            try { // one change: whoever is in the table has been welcomed, can be given requests, and is known to all
                Optional<JoinTerms> terms = greeting.answer(kind, body, this::claim);
                if (terms.isEmpty()) {
                    counters.increment(ClusterCounter.NODES_REFUSED);
                    return;
                }
                var joining = new ReplicaLink(
                        channel, terms.get().placement(), setup.limits().maxFrameBytes(), greeting.version());
                link = joining;
                join(this, terms.get(), joining);
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void closed(String cause) {
            if (link != null) {
                leave(this, link, cause);
            }
        }

        /** Guarded by the lock. */
        private Optional<Refusal> claim(JoinTerms terms) {
            Optional<Refusal> objection = table.objection(terms.placement());
            if (objection.isEmpty()) {
                long joins = table.join(terms.placement(), System.nanoTime());
                counters.increment(ClusterCounter.NODES_JOINED);
                LOG.info(
                        "{} joined from {}, Tandem {}; joins={}",
                        terms.placement(),
                        channel.peer(),
                        terms.tandemVersion(),
                        joins);
                if (!setup.secret().isSet() && !channel.isOfThisMachine()) {
                    LOG.warn(
                            "{} from {} joined unauthenticated: without a cluster secret any process of the right shapes may",
                            terms.placement(),
                            channel.peer());
                }
            }
            return objection;
        }
    }
}
