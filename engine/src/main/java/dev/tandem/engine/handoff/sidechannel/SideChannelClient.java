package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.zmtp.MessageConnection;
import dev.tandem.engine.handoff.zmtp.ZmtpHandler;
import dev.tandem.engine.handoff.zmtp.ZmtpPoller;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks peers' side channels: one connection and one queue per peer, one question under way at a time, since a REQ socket takes turns. A
 * question without an answer is asked again over a fresh connection; after the last try it fails, and with it all that wait for the same
 * peer, so that a dead peer costs its tries once and not once per question. A connection that is lost meanwhile is made again, and the
 * question with it, as long as the try lasts. Poller thread only; callbacks run there too.
 */
public final class SideChannelClient {
    private static final Logger LOG = LoggerFactory.getLogger(SideChannelClient.class);
    private static final long NEVER = Long.MAX_VALUE;
    private static final long RECONNECT_PAUSE_NS = Duration.ofMillis(100).toNanos(); // ZeroMQ's own
    private static final byte[] DELIMITER = new byte[0]; // before what a REQ socket sends and gets

    /** Begins connections, of ZeroMQ or of a simulation. */
    @FunctionalInterface
    public interface Dialler {
        /**
         * The handler hears when messages may be sent, or that nobody is there.
         *
         * @throws IOException when there is no way to that address, or no descriptor
         */
        void connect(InetSocketAddress address, Function<MessageConnection, ZmtpHandler> handlers) throws IOException;
    }

    /** One question and who wants to know. */
    @SuppressWarnings("ArrayRecordComponent") // sent as it is, never compared
    private record Question(byte[] payload, Consumer<byte[]> onAnswer, Consumer<TransferException> onFailure) {}

    /** One peer. */
    private static final class Line {
        final String endpoint;
        final ArrayDeque<Question> waiting = new ArrayDeque<>();

        @Nullable
        MessageConnection connection;

        boolean isOpen; // messages may be sent
        boolean isLookedUp; // its name is being looked up

        @Nullable
        Question asked;

        int tries;
        long deadlineNs;
        long reconnectNs = NEVER;
        String lost = ""; // why the last connection ended

        Line(String endpoint) {
            this.endpoint = endpoint;
        }

        boolean isIdle() {
            return asked == null && waiting.isEmpty();
        }
    }

    private final Dialler dialler;
    private final HostLookups lookups;
    private final HandoffLimits limits;
    private final LongSupplier nanoClock;
    private final Map<String, Line> lines = new LinkedHashMap<>(); // longest unused first

    /** @param nanoClock of {@link #turn} */
    public SideChannelClient(Dialler dialler, HostLookups lookups, HandoffLimits limits, LongSupplier nanoClock) {
        this.dialler = dialler;
        this.lookups = lookups;
        this.limits = limits;
        this.nanoClock = nanoClock;
    }

    /**
     * Asks; one of the callbacks is called. An answer that {@code onAnswer} throws at is told to {@code onFailure} too.
     *
     * @param onFailure gets PEER_GONE when nobody answered, OVERLOADED when too much waits for this peer, CANCELLED on close
     */
    public void ask(String endpoint, byte[] payload, Consumer<byte[]> onAnswer, Consumer<TransferException> onFailure) {
        Line line = lines.remove(endpoint);
        if (line == null) {
            if (!makeRoom()) {
                onFailure.accept(new TransferException(Kind.OVERLOADED, lines.size() + " other peers are being asked"));
                return;
            }
            line = new Line(endpoint);
        }
        lines.put(endpoint, line);
        if (line.waiting.size() >= limits.questionsPerPeer()) {
            onFailure.accept(
                    new TransferException(Kind.OVERLOADED, line.waiting.size() + " questions wait for " + endpoint));
            return;
        }
        line.waiting.add(new Question(payload, onAnswer, onFailure));
        next(line);
    }

    /** When {@link #turn} must be called at the latest. */
    public long nextDeadlineNs() {
        long earliest = NEVER;
        for (Line line : lines.values()) {
            if (line.asked != null) {
                earliest = ZmtpPoller.earlier(earliest, ZmtpPoller.earlier(line.deadlineNs, line.reconnectNs));
            }
        }
        return earliest;
    }

    /** Whether nothing is asked. */
    public boolean isIdle() {
        for (Line line : lines.values()) {
            if (!line.isIdle()) {
                return false;
            }
        }
        return true;
    }

    /** Asks again where no answer came in time, and connects again where a connection was lost. */
    public void turn(long nowNs) {
        for (Line line : List.copyOf(lines.values())) {
            if (line.asked == null) {
                continue;
            }
            if (line.deadlineNs - nowNs <= 0) {
                unanswered(line);
            } else if (line.reconnectNs != NEVER && line.reconnectNs - nowNs <= 0) {
                connect(line);
            }
        }
    }

    /** Fails everything that waits; the connections are closed with the poller. */
    void abandon() {
        for (Line line : List.copyOf(lines.values())) {
            fail(line, new TransferException(Kind.CANCELLED, "the side channel was closed"));
        }
    }

    private void next(Line line) {
        if (line.asked == null && !line.waiting.isEmpty()) {
            line.asked = line.waiting.remove();
            line.tries = 0;
            begin(line);
        }
    }

    /** One try. */
    private void begin(Line line) {
        line.tries++;
        line.deadlineNs = nanoClock.getAsLong() + limits.answerTimeout().toNanos();
        if (line.connection == null) {
            connect(line);
        } else {
            send(line);
        }
    }

    /** Now, or when the connection is ready. */
    private static void send(Line line) {
        Question question = line.asked;
        MessageConnection connection = line.connection;
        if (question != null && connection != null && line.isOpen) {
            connection.send(List.of(DELIMITER, question.payload()));
        }
    }

    private void connect(Line line) {
        line.reconnectNs = NEVER;
        if (line.isLookedUp) {
            return; // it goes on from there
        }
        try {
            line.isLookedUp = true;
            lookups.find(
                    line.endpoint,
                    address -> {
                        line.isLookedUp = false;
                        connect(line, address);
                    },
                    cause -> {
                        line.isLookedUp = false;
                        unreachable(line, cause);
                    });
        } catch (IllegalArgumentException noEndpoint) {
            line.isLookedUp = false;
            unreachable(line, noEndpoint);
        }
    }

    private void connect(Line line, InetSocketAddress address) {
        if (line.asked == null || line.connection != null) {
            return; // given up meanwhile
        }
        try {
            dialler.connect(address, connection -> {
                line.connection = connection;
                return new Call(line, connection);
            });
        } catch (IOException | IllegalArgumentException e) {
            unreachable(line, e);
        }
    }

    private void unreachable(Line line, Exception cause) {
        fail(
                line,
                new TransferException(
                        Kind.PEER_GONE, "cannot reach " + line.endpoint + ": " + cause.getMessage(), cause));
    }

    /** One connection to a peer. */
    private final class Call implements ZmtpHandler {
        private final Line line;
        private final MessageConnection connection;

        Call(Line line, MessageConnection connection) {
            this.line = line;
            this.connection = connection;
        }

        private boolean isCurrent() {
            return connection.equals(line.connection);
        }

        @Override
        public void opened() {
            if (isCurrent()) {
                line.isOpen = true;
                send(line);
            }
        }

        @Override
        public void received(List<byte[]> parts) {
            if (isCurrent()) {
                answered(line, parts);
            }
        }

        @Override
        public void closed(String reason) {
            if (isCurrent()) {
                line.connection = null;
                line.isOpen = false;
                line.lost = reason;
                line.reconnectNs = nanoClock.getAsLong() + RECONNECT_PAUSE_NS;
            }
        }
    }

    private void answered(Line line, List<byte[]> parts) {
        Question question = line.asked;
        if (question == null) {
            hangUp(line, "an answer without a question");
            return;
        }
        line.asked = null;
        if (parts.size() == 2 && parts.getFirst().length == 0) {
            answered(line, question, parts.getLast());
        } else {
            hangUp(line, "not an answer"); // whatever follows is not one to the next question
            question.onFailure()
                    .accept(new TransferException(Kind.CORRUPT, "an answer of several frames from " + line.endpoint));
        }
        next(line);
    }

    private static void answered(Line line, Question question, byte[] answer) {
        try {
            question.onAnswer().accept(answer);
        } catch (RuntimeException e) { // our own fault must not leave the asker waiting
            LOG.error("side channel peer={}: its answer was not handled", line.endpoint, e);
            question.onFailure()
                    .accept(new TransferException(
                            Kind.CORRUPT, "the answer of " + line.endpoint + " was not handled: " + e, e));
        }
    }

    private void unanswered(Line line) {
        hangUp(line, "no answer in time");
        if (line.asked != null && line.tries < limits.tries()) {
            begin(line);
            return;
        }
        fail(
                line,
                new TransferException(
                        Kind.PEER_GONE,
                        "no answer from " + line.endpoint + " in " + limits.tries() + " tries of "
                                + limits.answerTimeout().toMillis() + " ms"
                                + (line.lost.isEmpty() ? "" : "; the last connection: " + line.lost)));
    }

    private void fail(Line line, TransferException cause) {
        var failed = new ArrayList<Question>();
        if (line.asked != null) {
            failed.add(line.asked);
        }
        failed.addAll(line.waiting);
        line.asked = null;
        line.waiting.clear();
        for (Question question : failed) {
            question.onFailure().accept(cause);
        }
    }

    private static void hangUp(Line line, String reason) {
        MessageConnection connection = line.connection;
        line.connection = null;
        line.isOpen = false;
        line.reconnectNs = NEVER;
        if (connection != null) {
            connection.close(reason);
        }
    }

    /** Forgets the longest unused peer that waits for nothing, when there are too many. */
    private boolean makeRoom() {
        if (lines.size() < limits.peers()) {
            return true;
        }
        for (Line line : lines.values()) {
            if (line.isIdle()) {
                hangUp(line, "others need the room");
                lines.remove(line.endpoint);
                return true;
            }
        }
        return false;
    }
}
