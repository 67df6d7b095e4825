package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.ReplicaSet.Entry;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenStream;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The stream of a request at whichever rank it runs. When that rank dies and nothing was read from the stream yet, the reader runs the
 * request again, once. Read by one thread, closed by any; one lock, held for a few instructions.
 */
final class BalancedStream implements TokenStream {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedStream.class);

    /** One run of the request. */
    private record Attempt(Entry entry, TokenStream stream) {}

    /** What the reader wants. */
    private enum Wish {
        READ,
        STOP,
        ABORT
    }

    private final ReplicaSet set;
    private final Request request;
    private final OptionalInt pinnedRank;
    private final long startNs = System.nanoTime();
    private final ReentrantLock lock = new ReentrantLock();
    private Optional<Attempt> attempt = Optional.empty(); // guarded by the lock, as all below but the last
    private boolean isCounted; // the attempt's rank counts it
    private boolean isFreed; // its id may be used again
    private boolean hasRerun;
    private Wish wish = Wish.READ;
    private boolean hasRead; // owned by the reader

    BalancedStream(ReplicaSet set, Request request, OptionalInt pinnedRank) {
        this.set = set;
        this.request = request;
        this.pinnedRank = pinnedRank;
    }

    /**
     * Gives the request to a rank; when that turns out to be dead, to another one.
     *
     * @throws EngineException as {@link ReplicaSet#submit(Request)}
     */
    void start() {
        try {
            run(request);
        } catch (EngineException refused) {
            if (refused.kind() != Kind.UNAVAILABLE || !mayRunAgain()) {
                throw refused;
            }
            run(request);
        }
    }

    @Override
    public TokenEvent next(Duration timeout) throws InterruptedException {
        long beganNs = System.nanoTime();
        while (true) {
            Duration left = timeout.minusNanos(System.nanoTime() - beganNs);
            TokenEvent event = current().stream().next(left);
            switch (event) {
                case Token token -> {
                    hasRead = true;
                    return token;
                }
                case Finished finished -> {
                    release();
                    return finished;
                }
                case Failed failed
                when isRunAgain(failed.cause()) -> set.counters().increment(ClusterCounter.REQUESTS_RERUN);
                case Failed failed -> {
                    release();
                    return failed;
                }
            }
        }
    }

    @Override
    public void close() {
        end(Wish.ABORT);
    }

    @Override
    public void stop() {
        end(Wish.STOP);
    }

    /** Submits to the rank with the least to do. */
    private void run(Request part) {
        Entry entry = set.take(part, pinnedRank);
        TokenStream stream;
        try {
            stream = entry.replica().submit(part);
        } catch (RuntimeException refused) {
            set.give(entry);
            throw refused;
        }
        if (entry.replica() instanceof RemoteReplica) {
            set.counters().increment(ClusterCounter.REQUESTS_FORWARDED);
        }
        Wish meanwhile;
        lock.lock();
        try {
            attempt = Optional.of(new Attempt(entry, stream));
            isCounted = true;
            meanwhile = wish;
        } finally {
            lock.unlock();
        }
        if (meanwhile != Wish.READ) { // its reader has left while it was given to another rank
            release();
            carryOut(meanwhile, stream);
        }
    }

    private boolean isRunAgain(EngineException cause) {
        if (cause.kind() != Kind.UNAVAILABLE || !isWanted()) {
            return false;
        }
        Duration left = request.deadline().minusNanos(System.nanoTime() - startNs);
        if (hasRead || !left.isPositive() || !mayRunAgain()) {
            set.counters().increment(ClusterCounter.REQUESTS_LOST);
            return false;
        }
        Entry dead = current().entry();
        uncount();
        try {
            run(new Request(
                    request.id(),
                    request.promptTokenIds(),
                    request.sampling(),
                    request.handoff(),
                    left,
                    request.client()));
            LOG.warn(
                    "request={} runs on {}, {} did not answer: {}",
                    request.id(),
                    current().entry(),
                    dead,
                    cause.getMessage());
            return true;
        } catch (EngineException refused) {
            LOG.warn("request={} runs nowhere, {} did not answer, then: {}", request.id(), dead, refused.getMessage());
            set.counters().increment(ClusterCounter.REQUESTS_LOST);
            return false;
        }
    }

    private boolean isWanted() {
        lock.lock();
        try {
            return wish == Wish.READ;
        } finally {
            lock.unlock();
        }
    }

    /** True once, while the reader is there. */
    private boolean mayRunAgain() {
        lock.lock();
        try {
            boolean may = wish == Wish.READ && !hasRerun;
            hasRerun |= may;
            return may;
        } finally {
            lock.unlock();
        }
    }

    private Attempt current() {
        lock.lock();
        try {
            return attempt.orElseThrow(() -> new IllegalStateException("request " + request.id() + " was not started"));
        } finally {
            lock.unlock();
        }
    }

    private void end(Wish how) {
        lock.lock();
        try {
            if (wish != Wish.READ) {
                return;
            }
            wish = how;
        } finally {
            lock.unlock();
        }
        release();
        carryOut(how, current().stream());
    }

    private static void carryOut(Wish wish, TokenStream stream) {
        if (wish == Wish.STOP) {
            stream.stop();
        } else {
            stream.close();
        }
    }

    /** It needs its rank no more, and its id is free. */
    private void release() {
        uncount();
        boolean isFirst;
        lock.lock();
        try {
            isFirst = !isFreed;
            isFreed = true;
        } finally {
            lock.unlock();
        }
        if (isFirst) {
            set.free(request.id());
        }
    }

    private void uncount() {
        Optional<Attempt> counted;
        lock.lock();
        try {
            counted = isCounted ? attempt : Optional.empty();
            isCounted = false;
        } finally {
            lock.unlock();
        }
        counted.ifPresent(it -> set.give(it.entry()));
    }
}
