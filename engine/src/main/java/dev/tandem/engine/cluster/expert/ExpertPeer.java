package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.ConnectingGreeting;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.expert.ExpertRuntime.Patience;
import dev.tandem.trust.ThreadEnd;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way to the experts of one other process. A thread of its own dials, waits for the connection's end and dials again; calls go over
 * the connection that stands, several at a time, each with a number. Thread-safe.
 */
final class ExpertPeer {
    private static final Logger LOG = LoggerFactory.getLogger(ExpertPeer.class);
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(5);

    private final MemberPlacement placement;
    private final ExpertRuntime.Setup setup;
    private final Thread dialer;
    private final CountDownLatch closing = new CountDownLatch(1); // counted down by close()
    private volatile Optional<Connection> dialled = Optional.empty(); // the newest; set by the dialer
    private volatile Optional<Connection> welcome = Optional.empty(); // that takes calls; set and unset by its reader
    private volatile String downReason = "not connected yet";
    private volatile boolean isUseful; // an answer has come over the newest; set by its reader, unset by the dialer
    private volatile boolean isLate; // it did not answer in time; set by callers, unset by the dialer

    /** Dials at once and as long as it is not closed. */
    ExpertPeer(MemberPlacement placement, ExpertRuntime.Setup setup) {
        this.placement = placement;
        this.setup = setup;
        this.dialer = Thread.ofVirtual()
                .name("tandem-expert-dial-" + placement.host())
                .start(this::dial);
    }

    MemberPlacement placement() {
        return placement;
    }

    /** Why no calls can be made; empty when they can. */
    Optional<String> downReason() {
        return welcome.isPresent() ? Optional.empty() : Optional.of(downReason);
    }

    /** Sends a call; false when it cannot be sent, and then it is given up. Never waits. */
    boolean call(ExpertCall call) {
        Optional<Connection> present = welcome;
        if (present.isPresent() && present.get().call(call)) {
            return true;
        }
        call.giveUp();
        return false;
    }

    /** Calls were not answered in time: it is left alone for the longest pause, so that not every layer waits for it. */
    void setAside(Duration waited) {
        isLate = true;
        welcome.ifPresent(it -> it.channel.close("no answer within " + waited.toMillis() + " ms"));
    }

    /** Dials no more and ends the connection; returns at once. */
    void close() {
        closing.countDown();
        dialled.ifPresent(it -> it.channel.close("not needed any more"));
    }

    /** Waits for the end of its thread after {@link #close}. */
    void awaitEnd() {
        ThreadEnd.await(dialer, JOIN_LIMIT);
    }

    private void dial() {
        Patience patience = setup.patience();
        Duration pause = patience.firstPause();
        try {
            do {
                isUseful = false;
                isLate = false;
                Optional<String> obstacle = connect();
                if (obstacle.isPresent() && !obstacle.get().equals(downReason)) {
                    downReason = obstacle.get();
                    LOG.warn("experts of {} cannot be reached, they are computed here: {}", placement, downReason);
                }
                pause = isLate ? patience.longestPause() : isUseful ? patience.firstPause() : patience.longer(pause);
            } while (!closing.await(pause.toNanos(), TimeUnit.NANOSECONDS));
        } catch (InterruptedException e) {
            LOG.error("experts of {} are not dialled any more by a fault of ours", placement, e);
            Thread.currentThread().interrupt();
        }
    }

    /** Connects and waits for the connection's end. Gives what stood in the way if it never stood. */
    private Optional<String> connect() throws InterruptedException {
        var address = new InetSocketAddress(placement.host(), placement.expertPort());
        var made = new CompletableFuture<Connection>();
        try {
            FrameChannel.connect(address, setup.patience().connect(), setup.limits(), channel -> {
                var connection = new Connection(channel);
                made.complete(connection);
                return connection;
            });
        } catch (IOException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        } catch (RuntimeException | Error e) { // of this try only: nobody else dials
            LOG.error("experts of {} were not dialled by a fault of ours", placement, e);
            return Optional.of("a fault of this side: " + e);
        }
        Connection connection = made.join();
        dialled = Optional.of(connection);
        if (closing.getCount() == 0) { // close() may have looked before
            connection.channel.close("not needed any more");
        }
        return connection.awaitEnd();
    }

    /** One connection; frames are its reader thread's. */
    private final class Connection implements FrameChannel.FrameHandler {
        private final FrameChannel channel;
        private final ConnectingGreeting greeting;
        private final AtomicLong nextId = new AtomicLong();
        private final Map<Long, ExpertCall> calls = new ConcurrentHashMap<>(); // callers add, the reader removes
        private final CountDownLatch ended = new CountDownLatch(1);
        private volatile boolean isWelcome; // written by the reader
        private volatile String cause = "";

        Connection(FrameChannel channel) {
            this.channel = channel;
            this.greeting = new ConnectingGreeting(channel, setup.terms(), setup.secret(), Wire.EXPERTS);
        }

        boolean call(ExpertCall call) {
            long id = nextId.getAndIncrement();
            calls.put(id, call);
            int bytes = call.write(id);
            if (!channel.offer(FrameKind.EXPERT_CALL, call.buffer(), bytes, call::sent)) {
                calls.remove(id);
                return false;
            }
            if (channel.isClosed() && calls.remove(id) != null) {
                call.giveUp(); // closed() may have looked before it was there
            }
            return true;
        }

        Optional<String> awaitEnd() throws InterruptedException {
            try {
                ended.await(); // the channel's own deadlines end it
            } finally {
                channel.close();
            }
            return isWelcome ? Optional.empty() : Optional.of(cause);
        }

        @Override
        public void received(FrameKind kind, ByteBuffer body) throws FrameException {
            if (!isWelcome) {
                if (greeting.isWelcomedBy(kind, body)) {
                    isWelcome = true;
                    welcome = Optional.of(this);
                    LOG.info("experts of {} are reached at {}", placement, channel.peer());
                }
                return;
            }
            ExpertCall call = calls.remove(ExpertFrames.readId(body)); // none when it was given up
            switch (kind) {
                case EXPERT_RESULT -> {
                    isUseful = true;
                    if (call != null) {
                        call.answer(body);
                    }
                }
                case EXPERT_ERROR -> {
                    LOG.warn(
                            "experts of {} refuse rows, they are computed here: {}",
                            placement,
                            ExpertFrames.readError(body));
                    if (call != null) {
                        call.giveUp();
                    }
                }
                default -> throw new FrameException("answer", "EXPERT_RESULT or EXPERT_ERROR", kind);
            }
        }

        @Override
        public void closed(String reason) {
            cause = reason;
            if (isWelcome) {
                welcome = Optional.empty();
                downReason = reason;
                LOG.warn("experts of {} are gone, they are computed here: {}", placement, reason);
            }
            calls.values().forEach(ExpertCall::giveUp);
            calls.clear();
            ended.countDown();
        }
    }
}
