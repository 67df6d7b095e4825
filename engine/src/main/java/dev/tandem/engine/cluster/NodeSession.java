package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.ConnectingGreeting.Progress;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection of a node to its head, from the greeting to its end. Frames are the reader thread's; what others wait for are futures that
 * it completes.
 */
final class NodeSession implements FrameChannel.FrameHandler {
    private static final Logger LOG = LoggerFactory.getLogger(NodeSession.class);
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);
    private static final Duration LEAVE_LIMIT = Duration.ofSeconds(1);

    private final ClusterMember.MemberSetup setup;
    private final ClusterMember.Service service;
    private final FrameChannel channel;
    private final ConnectingGreeting greeting;
    private final ReplicaServer server;
    private final CompletableFuture<Progress> greeted = new CompletableFuture<>();
    private final CompletableFuture<Members> members = new CompletableFuture<>();
    private final CompletableFuture<String> ended = new CompletableFuture<>();
    private volatile boolean isJoined; // written by the reader thread
    private volatile int aborted; // written by the reader thread at the end

    private NodeSession(ClusterMember.MemberSetup setup, ClusterMember.Service service, FrameChannel channel) {
        this.setup = setup;
        this.service = service;
        this.channel = channel;
        this.greeting = new ConnectingGreeting(channel, setup.terms(), setup.secret(), Wire.CLUSTER);
        this.server = new ReplicaServer(channel, service.replicas(), service.counters());
    }

    /**
     * Connects and is let in.
     *
     * @throws IOException naming what stands in the way for now
     * @throws EngineException INVALID when the head refuses for good
     */
    static NodeSession join(ClusterMember.MemberSetup setup, ClusterMember.Service service, Duration deadline)
            throws IOException, InterruptedException {
        var address =
                new InetSocketAddress(setup.head().getHostString(), setup.head().getPort());
        long limitMillis = Math.max(1, Math.min(deadline.toMillis(), CONNECT_LIMIT.toMillis()));
        var made = new CompletableFuture<NodeSession>();
        FrameChannel channel = FrameChannel.connect(address, Duration.ofMillis(limitMillis), setup.limits(), opened -> {
            var session = new NodeSession(setup, service, opened);
            made.complete(session);
            return session;
        });
        NodeSession session = made.join();
        try {
            long answerMillis = setup.limits().silence().toMillis();
            session.requireWelcome(session.greeted.get(answerMillis, TimeUnit.MILLISECONDS));
            session.members.get(answerMillis, TimeUnit.MILLISECONDS); // the head sends them behind the welcome
            return session;
        } catch (ExecutionException e) {
            throw new IOException(session.ended.join(), e);
        } catch (TimeoutException e) {
            channel.close();
            throw new IOException("it does not answer like a head", e);
        }
    }

    boolean isJoined() {
        return isJoined;
    }

    /** The first list of members. */
    Members members() {
        return members.join();
    }

    /** Called by the node's thread. */
    void pushStates() {
        server.pushStates();
    }

    /** Why it ended, if it does within this time. */
    Optional<String> awaitEnd(Duration timeout) throws InterruptedException {
        try {
            return Optional.of(ended.get(timeout.toNanos(), TimeUnit.NANOSECONDS));
        } catch (TimeoutException stillThere) {
            return Optional.empty();
        } catch (ExecutionException e) {
            throw new IllegalStateException("an end does not fail", e);
        }
    }

    /** Requests that were under way when it ended. */
    int aborted() {
        return aborted;
    }

    /** Takes leave where it has joined; the head then ends the connection, or this side does when that takes long. */
    void close() {
        if (isJoined && channel.offer(FrameKind.LEAVE, new byte[0])) {
            channel.finish("this node was told to end");
            try {
                ended.get(LEAVE_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException | ExecutionException e) {
                LOG.debug("the head does not let this node go", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        channel.close();
    }

    @Override
    public void received(FrameKind kind, ByteBuffer body) throws FrameException {
        if (isJoined && kind == FrameKind.MEMBERS) {
            Members list = Members.decode(body);
            service.onMembers().accept(list);
            members.complete(list);
        } else if (isJoined) {
            server.received(kind, body);
        } else {
            Progress progress = greeting.received(kind, body);
            if (!(progress instanceof Progress.Waiting)) {
                isJoined = progress instanceof Progress.Welcomed;
                greeted.complete(progress);
            }
        }
    }

    @Override
    public void closed(String cause) {
        isJoined = false;
        aborted = server.abortAll();
        var gone = new IOException(cause);
        greeted.completeExceptionally(gone);
        members.completeExceptionally(gone);
        ended.complete(cause);
    }

    private void requireWelcome(Progress progress) throws IOException {
        if (!(progress instanceof Progress.Refused refused)) {
            return;
        }
        channel.close();
        String message = refused.refusal().message("the head", "this node");
        if (refused.refusal().isFinal()) {
            throw new EngineException(
                    Kind.INVALID,
                    "the head at " + FrameChannel.describe(setup.head()) + " refuses this node: " + message);
        }
        throw new IOException("it refuses this node for now: " + message);
    }
}
