package dev.tandem.transfer;

import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * A transfer on its way: hands out its spans as requests, counts what has been moved. Made by the caller's thread, owned by the poller from
 * its posting on; only {@link #done} and {@link #cancel} are for others.
 */
final class PostedTransfer implements Transfer {
    /** Longest request; longer spans are striped over connections in pieces of this size. */
    static final int MAX_REQUEST_BYTES = 1 << 20;

    /** One exchange to be made: a span or a piece of one. */
    record Request(PostedTransfer transfer, int span, long spanOffset, int bytes) {
        long localOffset() {
            return transfer.spans.localOffset(span) + spanOffset;
        }

        long remoteAddress() {
            return transfer.spans.remoteAddress(span) + spanOffset;
        }
    }

    private final String peer;
    private final SpanBatch spans;
    private final Region.Operation operation;
    private final long totalBytes;
    private final long postedNs = System.nanoTime();
    private final long deadlineNs;
    private final Consumer<PostedTransfer> canceller;
    private final CompletableFuture<Moved> done = new CompletableFuture<>();
    private final ArrayDeque<Request> repeated = new ArrayDeque<>();
    private int nextSpan;
    private long nextSpanOffset;
    private long movedBytes;
    private boolean isConfirmed = true;
    private boolean isOver;

    /**
     * @param canceller posts the wish to cancel to the poller
     * @throws IllegalArgumentException a span lies outside the local memory
     */
    PostedTransfer(
            String peer,
            SpanBatch spans,
            Region.Operation operation,
            long deadlineAfterNs,
            Consumer<PostedTransfer> canceller) {
        this.peer = peer;
        this.spans = spans;
        this.operation = operation;
        this.canceller = canceller;
        this.deadlineNs = postedNs + deadlineAfterNs;
        checkInside(spans);
        this.totalBytes = spans.totalBytes();
    }

    private static void checkInside(SpanBatch spans) {
        long localBytes = spans.local().byteSize();
        for (int span = 0; span < spans.spans(); span++) {
            long offset = spans.localOffset(span);
            long bytes = spans.bytes(span);
            if (offset < 0 || bytes < 0 || bytes > localBytes - offset) {
                throw new IllegalArgumentException("span " + span + ": " + bytes + " bytes at " + offset
                        + " are not inside the local " + localBytes);
            }
        }
    }

    @Override
    public CompletableFuture<Moved> done() {
        return done;
    }

    @Override
    public void cancel() {
        canceller.accept(this);
    }

    String peer() {
        return peer;
    }

    SpanBatch spans() {
        return spans;
    }

    boolean isWrite() {
        return operation == Region.Operation.WRITE;
    }

    /** Whether the caller has kept the promise that its memory stays. */
    boolean isLocalAlive() {
        return spans.local().scope().isAlive();
    }

    long totalBytes() {
        return totalBytes;
    }

    long movedBytes() {
        return movedBytes;
    }

    long deadlineNs() {
        return deadlineNs;
    }

    /** Whether it has ended, one way or the other: its memory must not be touched any more. */
    boolean isOver() {
        return isOver;
    }

    /** Whether there are requests that no connection has. */
    boolean hasUnsent() {
        if (!repeated.isEmpty()) {
            return true;
        }
        while (nextSpan < spans.spans() && spans.bytes(nextSpan) == nextSpanOffset) {
            nextSpan++;
            nextSpanOffset = 0;
        }
        return nextSpan < spans.spans();
    }

    /** The next request; {@link #hasUnsent} was true. */
    Request next() {
        Request again = repeated.poll();
        if (again != null) {
            return again;
        }
        int bytes = (int) Math.min(MAX_REQUEST_BYTES, spans.bytes(nextSpan) - nextSpanOffset);
        Request request = new Request(this, nextSpan, nextSpanOffset, bytes);
        nextSpanOffset += bytes;
        return request;
    }

    /** Takes back a request whose connection was closed before the peer looked at it. */
    void repeat(Request request) {
        repeated.add(request);
    }

    /** A request is done; true when it was the last. */
    boolean moved(Request request, boolean isRequestConfirmed) {
        movedBytes += request.bytes();
        isConfirmed &= isRequestConfirmed;
        return movedBytes == totalBytes;
    }

    /** Nothing touches its memory from here on; {@link #complete} or {@link #fail} follows at once. */
    void end() {
        isOver = true;
        repeated.clear();
        nextSpan = spans.spans();
        nextSpanOffset = 0;
    }

    boolean isConfirmed() {
        return isConfirmed;
    }

    void complete() {
        done.complete(new Moved(totalBytes, System.nanoTime() - postedNs, isConfirmed));
    }

    void fail(TransferException cause) {
        done.completeExceptionally(cause);
    }
}
