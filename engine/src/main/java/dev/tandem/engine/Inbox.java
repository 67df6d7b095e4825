package dev.tandem.engine;

import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenQueue;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * What other threads tell the engine loop. Every part has a bound: submissions by the limit of waiting requests, closed streams by
 * the number of live requests, declines by a constant. Thread-safe: queues and atomics only, each said below.
 */
final class Inbox {
    /** A request that has passed its checks. */
    record Submission(Request request, TokenQueue stream, long submittedNs) {}

    /** The part that a refused request was to play in an exchange; its peer is to be told. */
    record Decline(String requestId, HandoffRole role, String reason) {}

    private static final int MAX_DECLINES = 1024; // one more is dropped: P's lease then ends by its deadline

    private static final int MAX_LEASE_CANCELS = 1024; // one more is dropped: the lease then ends by its deadline

    private static final int OTHERS_SHARE =
            8; // the last 1 of this of the queue is not for a client that has more than half of it

    private final int maxWaiting;
    private final AtomicInteger waiting = new AtomicInteger(); // submitted and not yet started: the bound of the queue
    private final Map<ClientId, Integer> waitingOf = new ConcurrentHashMap<>(); // the same by client; none is 0
    private final AtomicLong rejected = new AtomicLong(); // counted by submitters, shown by the loop
    private final Set<String> liveIds = ConcurrentHashMap.newKeySet(); // submitters add, the loop removes
    private final Queue<Submission> submissions = new ConcurrentLinkedQueue<>(); // submitters to loop
    private final Queue<TokenQueue> closedStreams = new ConcurrentLinkedQueue<>(); // readers to loop, once per stream
    private final Queue<Decline> declines = new ArrayBlockingQueue<>(MAX_DECLINES); // submitters to loop
    private final Queue<String> leaseCancels = new ArrayBlockingQueue<>(MAX_LEASE_CANCELS); // any thread to loop
    private volatile Runnable wakeLoop = () -> {}; // set once, before the first wake that matters

    /** @param maxWaiting requests that may wait */
    Inbox(int maxWaiting) {
        this.maxWaiting = maxWaiting;
    }

    /** What {@link #wake} does. */
    void serve(Runnable wake) {
        wakeLoop = wake;
    }

    /** Wakes the loop, or makes its next park return at once. */
    void wake() {
        wakeLoop.run();
    }

    int maxWaiting() {
        return maxWaiting;
    }

    /** Makes an id live; false when it is already. */
    boolean claim(String requestId) {
        return liveIds.add(requestId);
    }

    /** An id may be used again. */
    void free(String requestId) {
        liveIds.remove(requestId);
    }

    /** How many ids are live. */
    int live() {
        return liveIds.size();
    }

    /** Queues a submission; false when as many wait as may, in all or for a client that has most of the queue. */
    boolean submit(Submission submission) {
        ClientId client = submission.request().client();
        int all = waiting.incrementAndGet();
        int ofClient = waitingOf.merge(client, 1, Integer::sum);
        boolean hasMost = !client.equals(ClientId.NONE) && ofClient > maxWaiting / 2;
        if (all > maxWaiting || (hasMost && all > maxWaiting - maxWaiting / OTHERS_SHARE)) {
            leaveQueue(submission.request());
            return false;
        }
        submissions.add(submission);
        wake();
        return true;
    }

    /** Takes a submission back that the loop has not seen; false when it has. */
    boolean withdraw(Submission submission) {
        return submissions.remove(submission);
    }

    /** A submission waits no more: it started or ended. */
    void leaveQueue(Request request) {
        waiting.decrementAndGet();
        waitingOf.computeIfPresent(request.client(), (client, count) -> count == 1 ? null : count - 1);
    }

    /** Asks for the end of the request behind a stream, whatever it still holds. */
    void abort(TokenQueue stream) {
        closedStreams.add(stream);
        wake();
    }

    void decline(Decline decline) {
        if (declines.offer(decline)) {
            wake();
        }
    }

    void cancelLease(String requestId) {
        if (leaseCancels.offer(requestId)) {
            wake();
        }
    }

    void countRejection() {
        rejected.incrementAndGet();
        wake();
    }

    long rejections() {
        return rejected.get();
    }

    @Nullable
    Submission nextSubmission() {
        return submissions.poll();
    }

    @Nullable
    TokenQueue nextClosedStream() {
        return closedStreams.poll();
    }

    @Nullable
    String nextLeaseCancel() {
        return leaseCancels.poll();
    }

    @Nullable
    Decline nextDecline() {
        return declines.poll();
    }
}
