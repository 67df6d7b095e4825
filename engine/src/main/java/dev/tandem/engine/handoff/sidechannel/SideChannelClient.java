package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.transfer.TransferException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;

/**
 * Asks peers' side channels: one REQ socket and one queue per peer, one question under way at a time, since a REQ socket takes turns. A
 * question without an answer is asked again over a fresh socket; after the last try it fails, and with it all that wait for the same
 * peer, so that a dead peer costs its tries once and not once per question. Poller thread only; callbacks run there too.
 */
public final class SideChannelClient {
    /** One question and who wants to know. */
    @SuppressWarnings("ArrayRecordComponent") // sent as it is, never compared
    private record Question(byte[] payload, Consumer<byte[]> onAnswer, Consumer<TransferException> onFailure) {}

    /** One peer. */
    private static final class Line {
        final String endpoint;
        final ArrayDeque<Question> waiting = new ArrayDeque<>();
        ZMQ.@Nullable Socket socket;

        @Nullable
        Question asked;

        int tries;
        long deadlineNs;

        Line(String endpoint) {
            this.endpoint = endpoint;
        }

        boolean isIdle() {
            return asked == null && waiting.isEmpty();
        }
    }

    private final ZContext context;
    private final ZMQ.Poller poller;
    private final HandoffLimits limits;
    private final Map<String, Line> lines = new LinkedHashMap<>(); // longest unused first

    public SideChannelClient(ZContext context, ZMQ.Poller poller, HandoffLimits limits) {
        this.context = context;
        this.poller = poller;
        this.limits = limits;
    }

    /**
     * Asks; exactly one of the callbacks is called.
     *
     * @param onFailure gets PEER_GONE when nobody answered, OVERLOADED when too much waits for this peer, CANCELLED on close
     */
    public void ask(String endpoint, byte[] payload, Consumer<byte[]> onAnswer, Consumer<TransferException> onFailure) {
        Line line = lines.remove(endpoint);
        if (line == null) {
            if (!makeRoom()) {
                onFailure.accept(new TransferException(
                        TransferException.Kind.OVERLOADED, lines.size() + " other peers are being asked"));
                return;
            }
            line = new Line(endpoint);
        }
        lines.put(endpoint, line);
        if (line.waiting.size() >= limits.questionsPerPeer()) {
            onFailure.accept(new TransferException(
                    TransferException.Kind.OVERLOADED, line.waiting.size() + " questions wait for " + endpoint));
            return;
        }
        line.waiting.add(new Question(payload, onAnswer, onFailure));
        next(line);
    }

    /** When {@link #turn} must be called at the latest. */
    public long nextDeadlineNs() {
        long earliest = Long.MAX_VALUE;
        for (Line line : lines.values()) {
            if (line.asked != null && (earliest == Long.MAX_VALUE || line.deadlineNs - earliest < 0)) {
                earliest = line.deadlineNs;
            }
        }
        return earliest;
    }

    public boolean isIdle() {
        for (Line line : lines.values()) {
            if (!line.isIdle()) {
                return false;
            }
        }
        return true;
    }

    /** Takes answers that have come and asks again where none came in time. */
    public void turn(long nowNs) {
        for (Line line : List.copyOf(lines.values())) {
            if (line.asked == null || line.socket == null) {
                continue;
            }
            byte[] answer = line.socket.recv(ZMQ.DONTWAIT);
            if (answer != null) {
                answered(line, answer, line.socket.hasReceiveMore());
            } else if (line.deadlineNs - nowNs <= 0) {
                unanswered(line);
            }
        }
    }

    /** Fails everything that waits; the sockets are closed with the context. */
    public void abandon() {
        for (Line line : List.copyOf(lines.values())) {
            fail(line, new TransferException(TransferException.Kind.CANCELLED, "the side channel was closed"));
        }
    }

    private void next(Line line) {
        if (line.asked == null && !line.waiting.isEmpty()) {
            line.asked = line.waiting.remove();
            line.tries = 0;
            send(line, line.asked);
        }
    }

    private void send(Line line, Question question) {
        line.tries++;
        line.deadlineNs = System.nanoTime() + limits.answerTimeout().toNanos();
        try {
            if (line.socket == null) {
                line.socket = connect(line.endpoint);
            }
            line.socket.send(question.payload(), ZMQ.DONTWAIT);
        } catch (ZMQException | IllegalArgumentException e) {
            fail(
                    line,
                    new TransferException(
                            TransferException.Kind.PEER_GONE,
                            "cannot reach " + line.endpoint + ": " + e.getMessage(),
                            e));
        }
    }

    private ZMQ.Socket connect(String endpoint) {
        ZMQ.Socket socket = context.createSocket(SocketType.REQ);
        try {
            socket.setLinger(0);
            socket.setIPv6(endpoint.contains("["));
            socket.setMaxMsgSize(SideChannelCodec.MAX_METADATA_BYTES);
            socket.connect(endpoint);
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
        poller.register(socket, ZMQ.Poller.POLLIN);
        return socket;
    }

    private void answered(Line line, byte[] answer, boolean hasMore) {
        Question question = line.asked;
        line.asked = null;
        if (question == null) {
            throw new IllegalStateException("an answer from " + line.endpoint + " without a question");
        }
        if (hasMore) {
            hangUp(line); // whatever follows is not an answer to the next question
            question.onFailure()
                    .accept(new TransferException(
                            TransferException.Kind.CORRUPT, "an answer of several frames from " + line.endpoint));
        } else {
            question.onAnswer().accept(answer);
        }
        next(line);
    }

    private void unanswered(Line line) {
        hangUp(line);
        Question question = line.asked;
        if (question != null && line.tries < limits.tries()) {
            send(line, question);
            return;
        }
        fail(
                line,
                new TransferException(
                        TransferException.Kind.PEER_GONE,
                        "no answer from " + line.endpoint + " in " + limits.tries() + " tries of "
                                + limits.answerTimeout().toMillis() + " ms"));
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

    private void hangUp(Line line) {
        ZMQ.Socket socket = line.socket;
        line.socket = null;
        if (socket != null) {
            poller.unregister(socket);
            socket.close();
        }
    }

    /** Forgets the longest unused peer that waits for nothing, when there are too many. */
    private boolean makeRoom() {
        if (lines.size() < limits.peers()) {
            return true;
        }
        for (Line line : lines.values()) {
            if (line.isIdle()) {
                hangUp(line);
                lines.remove(line.endpoint);
                return true;
            }
        }
        return false;
    }
}
