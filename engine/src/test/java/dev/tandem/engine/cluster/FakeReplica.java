package dev.tandem.engine.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.EngineStatus.Blocks;
import dev.tandem.engine.EngineStatus.Load;
import dev.tandem.engine.Replica;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.HandoffUsage;
import dev.tandem.engine.request.TokenEvent.Times;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenEvent.Usage;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.request.TokenStream;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A rank that answers when the test says so. */
final class FakeReplica implements Replica {
    /** A request that came, with the engine's end of its stream. */
    record Taken(Request request, TokenQueue stream) {
        void token(int id) {
            stream.add(new Token(id, Optional.empty()));
        }

        void finish(FinishReason reason) {
            stream.end(new Finished(
                    reason, OptionalInt.empty(), usage(request.promptTokenIds().length), Optional.empty()));
        }

        void fail(EngineException cause) {
            stream.end(new TokenEvent.Failed(cause));
        }
    }

    private final BlockingQueue<Taken> taken = new LinkedBlockingQueue<>();
    private final BlockingQueue<Taken> closed = new LinkedBlockingQueue<>();
    private final BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
    private volatile EngineStatus status = status(0, 0);
    private volatile Optional<EngineException> refusal = Optional.empty();

    /** An idle or busy rank. */
    static EngineStatus status(int waiting, int running) {
        var counters = new EnumMap<EngineCounter, Long>(EngineCounter.class);
        for (EngineCounter counter : EngineCounter.values()) {
            counters.put(counter, 0L);
        }
        return new EngineStatus(
                Optional.empty(), new Load(waiting, running, 0, 0), new Blocks(64, 64, 0, 0), Map.copyOf(counters));
    }

    static Usage usage(int promptTokens) {
        return new Usage(promptTokens, 0, 0, HandoffUsage.NONE, new Times(1, 2, 3));
    }

    void show(EngineStatus next) {
        status = next;
    }

    void refuse(EngineException cause) {
        refusal = Optional.of(cause);
    }

    /** The next request that came. */
    Taken next() throws InterruptedException {
        return of(taken);
    }

    boolean hasNone() {
        return taken.isEmpty();
    }

    /** The next request whose stream was closed or stopped. */
    Taken nextClosed() throws InterruptedException {
        return of(closed);
    }

    String nextCancelled() throws InterruptedException {
        return of(cancelled);
    }

    @Override
    public TokenStream submit(Request request) {
        if (refusal.isPresent()) {
            throw refusal.get();
        }
        var whole = new Taken[1];
        var stream = new TokenQueue(request.sampling().maxTokens(), it -> {
            closed.add(whole[0]);
            whole[0].finish(it.closeReason());
        });
        whole[0] = new Taken(request, stream);
        taken.add(whole[0]);
        return stream;
    }

    @Override
    public void cancelLease(String requestId) {
        cancelled.add(requestId);
    }

    @Override
    public EngineStatus status() {
        return status;
    }

    private static <T> T of(BlockingQueue<T> queue) throws InterruptedException {
        T it = queue.poll(30, TimeUnit.SECONDS);
        assertThat(it).as("nothing came").isNotNull();
        return it;
    }
}
