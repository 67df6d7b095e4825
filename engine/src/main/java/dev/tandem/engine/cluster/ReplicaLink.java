package dev.tandem.engine.cluster;

import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.request.TokenStream;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The head's side of the connection to one node: the requests that it gave to the node's ranks, and the ranks' states. Frames, bodies being
 * msgpack values one behind the other:
 *
 * <pre>
 *    SUBMIT        stream, rank, request               TOKEN     stream, token
 *    CLOSE         stream, STOP or ABORT               FINISHED  stream, reason, usage, ticket
 *    CANCEL_LEASE  rank, request id                    FAILED    stream, kind, message
 *    READER        stream, whether it is behind        STATUS    rank, state
 *                                                      LEAVE     nothing; {@link ClusterHead} hears it
 * </pre>
 *
 * <p>A stream is a number, fresh for each request of the connection. Thread-safe: any thread submits and closes, the connection's reader
 * brings events.
 */
final class ReplicaLink {
    /** Most requests under way over one connection. */
    static final int MAX_STREAMS = 1 << 16;

    private static final int TELLS_OF_READERS = 3; // the first version that does

    /** An open stream and the tokens that it has brought; the count is the reader thread's. */
    private final class OpenStream {
        final long id;
        final TokenQueue queue;
        final int maxTokens;
        int tokens;
        private boolean isToldBehind; // guarded by this object: what the node has been told last

        OpenStream(long id, int maxTokens) {
            this.id = id;
            this.maxTokens = maxTokens;
            this.queue = new TokenQueue(maxTokens, closed -> sendClose(id, closed.closeReason()), this::tellOfReader);
        }

        /** Tells the node what it does not know yet: whether the stream's reader is behind. Never waits. */
        private synchronized void tellOfReader() {
            boolean isBehind = queue.isBehind();
            if (isBehind == isToldBehind || version < TELLS_OF_READERS) {
                return;
            }
            byte[] body = new BodyWriter().integer(id).flag(isBehind).toBytes();
            if (isBehind) {
                isToldBehind = channel.offer(FrameKind.READER, body); // else with the next token
            } else {
                isToldBehind = false;
                sendSoon(FrameKind.READER, body); // nothing else would let the stream go on
            }
        }
    }

    private final FrameChannel channel;
    private final MemberPlacement placement;
    private final int maxFrameBytes;
    private final int version;
    private final AtomicLong nextStream = new AtomicLong();
    private final Map<Long, OpenStream> streams =
            new ConcurrentHashMap<>(); // submitters add; whoever ends one removes it
    private final Map<Integer, EngineStatus> states = new ConcurrentHashMap<>(); // the reader writes, anybody reads

    /**
     * @param maxFrameBytes longest body that may be sent
     * @param version that both sides speak
     */
    ReplicaLink(FrameChannel channel, MemberPlacement placement, int maxFrameBytes, int version) {
        this.channel = channel;
        this.placement = placement;
        this.maxFrameBytes = maxFrameBytes;
        this.version = version;
        for (int rank = placement.ranks().from(); rank < placement.ranks().to(); rank++) {
            states.put(rank, idle());
        }
    }

    MemberPlacement placement() {
        return placement;
    }

    /**
     * Sends a request; whether the node takes it shows in the stream's first event.
     *
     * @throws EngineException UNAVAILABLE, OVERLOADED or TOO_LONG; then nothing was sent
     */
    TokenStream submit(int dpRank, Request request) {
        if (streams.size() >= MAX_STREAMS) {
            throw new EngineException(
                    Kind.OVERLOADED, placement + " have " + MAX_STREAMS + " requests under way, the most");
        }
        long id = nextStream.getAndIncrement();
        byte[] body = encode(id, dpRank, request);
        int maxTokens = Math.max(1, request.sampling().maxTokens());
        var stream = new OpenStream(id, maxTokens);
        streams.put(id, stream);
        if (!channel.send(FrameKind.SUBMIT, body)) {
            streams.remove(id);
            throw new EngineException(Kind.UNAVAILABLE, placement + " are gone");
        }
        return stream.queue;
    }

    /** Returns at once. */
    void cancelLease(int dpRank, String requestId) {
        sendSoon(
                FrameKind.CANCEL_LEASE,
                new BodyWriter().integer(dpRank).text(requestId).toBytes());
    }

    /** The rank's last state. */
    EngineStatus state(int dpRank) {
        EngineStatus state = states.get(dpRank);
        if (state == null) {
            throw new IllegalArgumentException("rank " + dpRank + " is not one of " + placement);
        }
        return state;
    }

    /** Reader thread: a frame of the node. */
    void received(FrameKind kind, ByteBuffer body) throws FrameException {
        switch (kind) {
            case TOKEN -> BodyReader.read(body, this::readToken);
            case FINISHED -> BodyReader.read(body, reader -> readEnd(reader, EventCodec::readFinished));
            case FAILED -> BodyReader.read(body, reader -> readEnd(reader, EventCodec::readFailed));
            case STATUS -> BodyReader.read(body, this::readStatus);
            default -> throw new FrameException("frame of a node", "TOKEN, FINISHED, FAILED or STATUS", kind);
        }
    }

    /**
     * The connection is gone: all that is under way fails. Gives the number of requests that were.
     *
     * @param how the node went, for the message: {@code "died"} or {@code "left"}
     */
    int fail(String how, String cause) {
        var failure = new EngineException(Kind.UNAVAILABLE, placement + " " + how + ": " + cause);
        states.replaceAll(
                (rank, state) -> new EngineStatus(Optional.of(cause), state.load(), state.blocks(), state.counters()));
        int failed = 0;
        for (Long id : List.copyOf(streams.keySet())) {
            OpenStream stream = streams.remove(id);
            if (stream != null) {
                stream.queue.end(new Failed(failure));
                failed++;
            }
        }
        return failed;
    }

    private byte[] encode(long id, int dpRank, Request request) {
        byte[] body;
        try {
            body = new BodyWriter()
                    .integer(id)
                    .integer(dpRank)
                    .with(writer -> RequestCodec.write(writer, request, version))
                    .toBytes();
        } catch (IllegalArgumentException notSendable) {
            throw new EngineException(Kind.INVALID, "the request cannot be sent to " + placement, notSendable);
        }
        if (body.length > maxFrameBytes) {
            throw new EngineException(
                    Kind.TOO_LONG,
                    "a request of " + body.length + " bytes exceeds the " + maxFrameBytes + " that can be sent to "
                            + placement);
        }
        return body;
    }

    private Token readToken(BodyReader reader) throws FrameException {
        OpenStream stream = open(EventCodec.readStream(reader));
        Token token = EventCodec.readToken(reader);
        if (++stream.tokens > stream.maxTokens) {
            throw new FrameException("tokens of a stream", "at most " + stream.maxTokens, stream.tokens);
        }
        stream.queue.add(token);
        stream.tellOfReader();
        return token;
    }

    private <E extends TokenEvent> E readEnd(BodyReader reader, BodyReader.Part<E> part) throws FrameException {
        long id = EventCodec.readStream(reader);
        OpenStream stream = open(id);
        E end = part.from(reader);
        streams.remove(id);
        stream.queue.end(end);
        return end;
    }

    private EngineStatus readStatus(BodyReader reader) throws FrameException {
        int rank = StatusCodec.readRank(reader);
        EngineStatus state = StatusCodec.read(reader);
        if (states.replace(rank, state) == null) {
            throw new FrameException("data-parallel rank", "one of " + placement, rank);
        }
        return state;
    }

    /** A stream stays open until its end came, also when nobody reads it any more. */
    private OpenStream open(long id) throws FrameException {
        OpenStream stream = streams.get(id);
        if (stream == null) {
            throw new FrameException("stream", "one that is open", id);
        }
        return stream;
    }

    private void sendClose(long id, FinishReason reason) {
        sendSoon(
                FrameKind.CLOSE,
                new BodyWriter().integer(id).text(reason.name()).toBytes());
    }

    /** Never waits: the callers may be event loops. What finds no room waits for it on a thread of its own. */
    private void sendSoon(FrameKind kind, byte[] body) {
        if (!channel.offer(kind, body) && !channel.isClosed()) {
            Thread.ofVirtual().name("tandem-cluster-send").start(() -> channel.send(kind, body));
        }
    }

    /** Before its first state, which the node sends as soon as it has joined. */
    private static EngineStatus idle() {
        var counters = new EnumMap<EngineCounter, Long>(EngineCounter.class);
        for (EngineCounter counter : EngineCounter.values()) {
            counters.put(counter, 0L);
        }
        return new EngineStatus(
                Optional.empty(), new EngineStatus.Load(0, 0, 0, 0), new EngineStatus.Blocks(0, 0, 0, 0), counters);
    }
}
