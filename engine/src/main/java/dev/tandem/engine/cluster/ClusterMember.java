package dev.tandem.engine.cluster;

import dev.tandem.counter.Counters;
import dev.tandem.engine.Replica;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Optional;
import java.util.SortedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A headless node: joins its head, serves the head's requests with the replicas of this process, and tries again when the head goes. It
 * ends by itself when the head refuses it for good, or when no head is there for as long as it may wait; what the head had asked for is
 * aborted as soon as the head is gone. Thread-safe; one thread joins and then pushes states.
 */
public final class ClusterMember implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterMember.class);
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(5);

    /**
     * @param head {@code --data-parallel-address} and {@code --data-parallel-rpc-port}; resolved anew for every try
     * @param terms of this process
     * @param secret that the head must know
     * @param limits of the connection
     * @param patience how this node waits
     */
    public record MemberSetup(
            InetSocketAddress head, JoinTerms terms, ClusterSecret secret, ChannelLimits limits, Patience patience) {}

    /**
     * @param deadline longest time without a head: at first, and after its end
     * @param firstPause between two tries; doubles up to {@code longestPause}
     * @param states between two looks at the replicas' states
     */
    public record Patience(Duration deadline, Duration firstPause, Duration longestPause, Duration states) {
        /** For a start or a restart of the whole deployment by hand. */
        public static Patience of(Duration deadline) {
            return new Patience(deadline, Duration.ofMillis(100), Duration.ofSeconds(2), Duration.ofMillis(100));
        }
    }

    /** What a node serves, and whom it tells. */
    public record Service(
            SortedMap<Integer, Replica> replicas,
            Counters<ClusterCounter> counters,
            Consumer<Members> onMembers,
            Consumer<String> report) {}

    private final MemberSetup setup;
    private final Service service;
    private final CompletableFuture<Members> firstJoin = new CompletableFuture<>();
    private final CompletableFuture<EngineException> end = new CompletableFuture<>();
    private final Thread thread;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition closing = lock.newCondition();
    private boolean isClosing; // guarded by the lock
    private volatile @Nullable NodeSession session; // written by the thread

    private ClusterMember(MemberSetup setup, Service service) {
        this.setup = setup;
        this.service = service;
        this.thread = Thread.ofPlatform().name("tandem-join").daemon().unstarted(this::run);
    }

    /**
     * Begins to join and returns at once.
     *
     * @param service replicas of this process by their rank in the deployment; {@code onMembers} is told of every change of the members
     *     and must not wait; {@code report} hears what the node waits for, once per change
     */
    public static ClusterMember start(MemberSetup setup, Service service) {
        var node = new ClusterMember(setup, service);
        node.thread.start();
        return node;
    }

    /**
     * Waits until it has joined for the first time.
     *
     * @throws EngineException INVALID when the head refuses this node, UNAVAILABLE when there is none in time
     */
    public Members awaitJoined() throws InterruptedException {
        try {
            return firstJoin.get(
                    2 * setup.patience().deadline().toMillis() + JOIN_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof EngineException refused ? refused : new IllegalStateException(e.getCause());
        } catch (TimeoutException e) {
            throw new EngineException(Kind.UNAVAILABLE, "no head within the deadline", e);
        }
    }

    /** Completed when the node has ended: with the reason, which says UNAVAILABLE "closed" after {@link #close}. */
    public CompletableFuture<EngineException> ended() {
        return end.copy();
    }

    /** Whether a head is there. */
    public boolean isJoined() {
        NodeSession present = session;
        return present != null && present.isJoined();
    }

    /** Leaves the head, aborts what it had asked for and ends. */
    @Override
    public void close() {
        lock.lock();
        try {
            isClosing = true;
            closing.signalAll();
        } finally {
            lock.unlock();
        }
        NodeSession present = session;
        if (present != null) {
            present.close();
        }
        ThreadEnd.await(thread, JOIN_LIMIT);
    }

    private void run() {
        EngineException reason;
        try {
            while (true) {
                NodeSession joined = join();
                session = joined;
                firstJoin.complete(joined.members());
                serve(joined);
            }
        } catch (EngineException e) {
            reason = e;
        } catch (InterruptedException | RuntimeException | Error e) {
            LOG.error("the node left its deployment by a fault of ours", e);
            reason = new EngineException(Kind.INTERNAL, "the node left its deployment: " + e, e);
        }
        firstJoin.completeExceptionally(reason);
        end.complete(reason);
    }

    /** Tries until it is let in. */
    private NodeSession join() throws InterruptedException {
        Patience patience = setup.patience();
        long endNs = System.nanoTime() + patience.deadline().toNanos();
        long pauseNs = patience.firstPause().toNanos();
        String reported = "";
        while (true) {
            String obstacle;
            try {
                return NodeSession.join(setup, service, Duration.ofNanos(endNs - System.nanoTime()));
            } catch (IOException e) {
                obstacle = String.valueOf(e.getMessage());
            }
            if (System.nanoTime() - endNs >= 0) {
                throw new EngineException(
                        Kind.UNAVAILABLE,
                        "no head at " + FrameChannel.describe(setup.head()) + " within "
                                + patience.deadline().toSeconds() + " s: " + obstacle);
            }
            if (!obstacle.equals(reported)) {
                service.report()
                        .accept("waiting for the head at " + FrameChannel.describe(setup.head()) + ": " + obstacle);
                reported = obstacle;
            }
            pause(Math.min(pauseNs, Math.max(1, endNs - System.nanoTime())));
            pauseNs = Math.min(2 * pauseNs, patience.longestPause().toNanos());
        }
    }

    /** Pushes states until the head is gone. */
    private void serve(NodeSession joined) throws InterruptedException {
        service.report()
                .accept("joined the head at " + FrameChannel.describe(setup.head()) + " as "
                        + setup.terms().placement());
        requireOpen(); // close() may have looked before there was a session
        Optional<String> cause = Optional.empty();
        while (cause.isEmpty()) {
            joined.pushStates();
            cause = joined.awaitEnd(setup.patience().states());
        }
        int aborted = joined.aborted();
        requireOpen();
        LOG.warn(
                "the head at {} is gone, {} of its requests were aborted: {}",
                FrameChannel.describe(setup.head()),
                aborted,
                cause.get());
        service.report()
                .accept("the head at " + FrameChannel.describe(setup.head()) + " is gone (" + cause.get()
                        + "); joining again for " + setup.patience().deadline().toSeconds() + " s");
    }

    private void pause(long nanos) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = nanos;
            while (!isClosing && left > 0) {
                left = closing.awaitNanos(left);
            }
        } finally {
            lock.unlock();
        }
        requireOpen();
    }

    private void requireOpen() {
        lock.lock();
        try {
            if (isClosing) {
                NodeSession present = session;
                if (present != null) {
                    present.close();
                }
                throw new EngineException(Kind.UNAVAILABLE, "closed");
            }
        } finally {
            lock.unlock();
        }
    }
}
