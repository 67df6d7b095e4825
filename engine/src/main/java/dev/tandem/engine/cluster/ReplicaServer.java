package dev.tandem.engine.cluster;

import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.Replica;
import dev.tandem.engine.cluster.channel.BodyReader;
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
import dev.tandem.engine.request.TokenStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The node's side of the connection to its head; {@link ReplicaLink} has the frames. Each request has a virtual thread that reads its
 * stream and sends what comes, waiting when the connection is full or the head's reader is behind, so that what is not sent yet stays in the
 * stream's own bound.
 */
final class ReplicaServer {
    private static final Logger LOG = LoggerFactory.getLogger(ReplicaServer.class);

    /** An engine ends every request at its deadline; what is silent for longer is a fault of the engine. */
    private static final Duration GRACE = Duration.ofSeconds(30);

    private final FrameChannel channel;
    private final SortedMap<Integer, Replica> replicas;
    private final Counters<ClusterCounter> counters;
    private final Map<Long, Relayed> streams = new ConcurrentHashMap<>(); // reader adds, a stream's thread removes
    private final Map<Integer, EngineStatus> sent = new HashMap<>(); // owned by the thread that calls pushStates

    /** A stream that is sent to the head. */
    private static final class Relayed {
        final TokenStream stream;
        private volatile CountDownLatch mayGoOn = new CountDownLatch(0); // set by the frames' reader alone

        Relayed(TokenStream stream) {
            this.stream = stream;
        }

        void readerIs(boolean isBehind) {
            if (!isBehind) {
                mayGoOn.countDown();
            } else if (mayGoOn.getCount() == 0) {
                mayGoOn = new CountDownLatch(1);
            }
        }

        /** The next event once the head's reader is not behind, or after that time: then the engine has ended the request. */
        TokenEvent next(Duration limit) throws InterruptedException {
            if (!mayGoOn.await(limit.toNanos(), TimeUnit.NANOSECONDS)) {
                LOG.debug("the head's reader is behind until the end");
            }
            return stream.next(limit);
        }
    }

    /** @param replicas of this process, by their rank in the deployment */
    ReplicaServer(FrameChannel channel, SortedMap<Integer, Replica> replicas, Counters<ClusterCounter> counters) {
        this.channel = channel;
        this.replicas = replicas;
        this.counters = counters;
    }

    /** Reader thread: a frame of the head. */
    void received(FrameKind kind, ByteBuffer body) throws FrameException {
        switch (kind) {
            case SUBMIT -> submit(body);
            case CLOSE -> BodyReader.read(body, this::close);
            case CANCEL_LEASE -> BodyReader.read(body, this::cancelLease);
            case READER -> BodyReader.read(body, this::readerIs);
            default ->
                throw new FrameException("frame of the head", "MEMBERS, SUBMIT, CLOSE, CANCEL_LEASE or READER", kind);
        }
    }

    /** The head is gone: nobody wants what is under way. Gives the number of requests that were. */
    int abortAll() {
        int aborted = 0;
        for (Relayed relayed : streams.values()) {
            relayed.stream.close();
            relayed.readerIs(false);
            aborted++;
        }
        counters.add(ClusterCounter.FOREIGN_REQUESTS_ABORTED, aborted);
        return aborted;
    }

    /** Sends the states that have changed since the last call; called by one thread at a time. */
    void pushStates() {
        replicas.forEach((rank, replica) -> {
            EngineStatus state = replica.status();
            if (!state.equals(sent.get(rank)) && channel.offer(FrameKind.STATUS, StatusCodec.encode(rank, state))) {
                sent.put(rank, state);
            }
        });
    }

    private void submit(ByteBuffer body) throws FrameException {
        long id = BodyReader.readBeginning(body.slice(), EventCodec::readStream);
        counters.increment(ClusterCounter.FOREIGN_REQUESTS);
        if (streams.containsKey(id)) {
            throw new FrameException("stream", "a fresh one", id);
        }
        try {
            if (streams.size() >= ReplicaLink.MAX_STREAMS) {
                throw new EngineException(
                        Kind.OVERLOADED, "this node has " + ReplicaLink.MAX_STREAMS + " requests under way, the most");
            }
            BodyReader.read(body, reader -> start(id, reader));
        } catch (FrameException unreadable) { // of this request only: the frame itself was whole
            answer(
                    id,
                    new Failed(new EngineException(Kind.INVALID, String.valueOf(unreadable.getMessage()), unreadable)));
        } catch (EngineException refused) {
            answer(id, new Failed(refused));
        }
    }

    private TokenStream start(long id, BodyReader reader) throws FrameException {
        EventCodec.readStream(reader);
        int rank = StatusCodec.readRank(reader);
        Request request = RequestCodec.read(reader);
        TokenStream stream = replica(rank).submit(request);
        var relayed = new Relayed(stream);
        streams.put(id, relayed);
        Thread.ofVirtual().name("tandem-cluster-stream-" + id).start(() -> relay(id, request, relayed));
        return stream;
    }

    private String cancelLease(BodyReader reader) throws FrameException {
        int rank = StatusCodec.readRank(reader);
        String requestId = reader.text("request id", Integer.MAX_VALUE);
        replica(rank).cancelLease(requestId);
        return requestId;
    }

    private Replica replica(int rank) throws FrameException {
        Replica replica = replicas.get(rank);
        if (replica == null) {
            throw new FrameException("data-parallel rank", "one of " + replicas.keySet(), rank);
        }
        return replica;
    }

    private FinishReason close(BodyReader reader) throws FrameException {
        Relayed relayed = streams.get(EventCodec.readStream(reader));
        FinishReason reason = reader.constant("reason", FinishReason.class);
        if (relayed != null) { // else it has ended meanwhile
            if (reason == FinishReason.STOP) {
                relayed.stream.stop();
            } else {
                relayed.stream.close();
            }
            relayed.readerIs(false); // its end is awaited
        }
        return reason;
    }

    private boolean readerIs(BodyReader reader) throws FrameException {
        Relayed relayed = streams.get(EventCodec.readStream(reader));
        boolean isBehind = reader.flag("is behind");
        if (relayed != null) { // else it has ended meanwhile
            relayed.readerIs(isBehind);
        }
        return isBehind;
    }

    private void relay(long id, Request request, Relayed relayed) {
        TokenEvent end;
        try {
            end = relayTokens(id, request.deadline().plus(GRACE), relayed);
        } catch (EngineException silent) {
            end = new Failed(silent);
        } catch (InterruptedException e) {
            end = new Failed(new EngineException(Kind.UNAVAILABLE, "interrupted", e));
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            LOG.error("request={} was not relayed to the head by a fault of ours", request.id(), e);
            end = new Failed(new EngineException(Kind.INTERNAL, "not relayed: " + e, e));
        }
        streams.remove(id); // first: the head may use what it hears at once
        relayed.stream.close();
        answer(id, end);
    }

    /** Sends tokens until the end, which is given back. */
    private TokenEvent relayTokens(long id, Duration limit, Relayed relayed) throws InterruptedException {
        while (true) {
            TokenEvent event = relayed.next(limit);
            if (!(event instanceof Token)) {
                return event;
            }
            answer(id, event);
        }
    }

    private void answer(long id, TokenEvent event) {
        channel.send(EventCodec.kind(event), EventCodec.encode(id, event)); // false when the head is gone
    }
}
