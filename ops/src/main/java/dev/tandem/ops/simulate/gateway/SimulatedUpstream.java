package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import dev.tandem.ops.simulate.VirtualTime.Event;
import java.net.ConnectException;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A call over a simulated connection. It keeps the limits that a call over the real network keeps: on connecting, on silence before the first
 * byte (the head of a stream of events is none) and inside the answer; and it is sent again when a kept connection ends before a byte has come.
 */
final class SimulatedUpstream implements Upstream {
    private static final int MAX_RESENDS = 2;
    private static final long STALE_WINDOW_NS = 250_000_000;
    private static final int HEAD_BYTES = 300;

    private final SimulatedHttp http;
    private final HttpCall call;
    private final ReplyListener listener;
    private final ArrayDeque<HttpMessage> unread = new ArrayDeque<>();
    private SimulatedHttp.@Nullable Line line;
    private @Nullable Event limit;
    private Map<String, String> trailers = Map.of();
    private boolean isConnected;
    private boolean isOnUsed;
    private boolean everSent;
    private boolean hasHead;
    private boolean isAnswering;
    private boolean isPaused;
    private boolean isOver;
    private final long startNs;
    private int resends;
    private long sentNs;
    private long heardNs;

    SimulatedUpstream(SimulatedHttp http, HttpCall call, ReplyListener listener) {
        this.http = http;
        this.call = call;
        this.listener = listener;
        this.startNs = http.host().nowNs();
    }

    /** When it began, by the clock of its host. */
    long startNs() {
        return startNs;
    }

    /** What was called. */
    HttpCall call() {
        return call;
    }

    /** Whether its connection carries nothing any more, without anybody being told. */
    boolean isLost() {
        SimulatedHttp.Line current = line;
        return current != null && current.isLost();
    }

    void begin() {
        isConnected = false;
        SimulatedHttp.Line chosen = http.line(call.address(), this);
        line = chosen;
        isOnUsed = chosen.isUsed();
        if (isOnUsed) {
            http.host().after(0, "http kept connection", () -> {
                if (line == chosen && !isConnected) {
                    connected(chosen);
                }
            });
        } else {
            limitBy(
                    http.config().connectTimeout().toNanos(),
                    () -> fail(
                            everSent ? ApiException.Kind.CLOSED : ApiException.Kind.CONNECT,
                            "connection timed out",
                            new TimeoutException()));
        }
    }

    void connected(SimulatedHttp.Line ready) {
        if (isOver) {
            return;
        }
        isConnected = true;
        everSent = true;
        sentNs = http.host().nowNs();
        heardNs = sentNs;
        ready.send(new HttpMessage.Request(call), HEAD_BYTES + call.body().length);
        watchSilence(http.config().firstByteTimeout().toNanos());
    }

    private void watchSilence(long leftNs) {
        limitBy(leftNs, () -> {
            long allowedNs = isAnswering
                    ? http.config().silenceTimeout().toNanos()
                    : http.config().firstByteTimeout().toNanos();
            long nowLeftNs = allowedNs - (http.host().nowNs() - heardNs);
            if (nowLeftNs > 0) {
                watchSilence(nowLeftNs);
            } else {
                fail(ApiException.Kind.TIMEOUT, "nothing was sent", new TimeoutException());
            }
        });
    }

    private void limitBy(long leftNs, Runnable passed) {
        Event before = limit;
        if (before != null) {
            before.cancel();
        }
        limit = http.host().after(leftNs, "http limit", () -> {
            if (!isOver) {
                passed.run();
            }
        });
    }

    void received(HttpMessage message) {
        unread.add(message);
        read();
    }

    private void read() {
        while (!isOver && !isPaused && !unread.isEmpty()) {
            switch (unread.remove()) {
                case HttpMessage.Head head -> {
                    hasHead = true;
                    String type = head.headers().get("Content-Type");
                    if (type == null || !type.startsWith("text/event-stream")) {
                        begun();
                    }
                    listener.head(ReplyHead.of(head.status(), head.headers()));
                }
                case HttpMessage.Piece piece -> {
                    begun();
                    take(piece.bytes().length);
                    listener.chunk(piece.bytes());
                }
                case HttpMessage.End end -> ended(end);
                case HttpMessage.Request odd -> throw new IllegalStateException("a request to a client: " + odd);
                case HttpMessage.Taken odd -> throw new IllegalStateException("a client's message to a client: " + odd);
            }
        }
    }

    private void take(int bytes) {
        SimulatedHttp.Line current = line;
        if (current != null) {
            current.send(new HttpMessage.Taken(bytes), 1);
        }
    }

    private void begun() {
        heardNs = http.host().nowNs();
        if (!isAnswering) {
            isAnswering = true;
            watchSilence(http.config().silenceTimeout().toNanos());
        }
    }

    private void ended(HttpMessage.End end) {
        trailers = end.trailers();
        SimulatedHttp.Line current = line;
        finish();
        if (current != null) {
            current.keep();
        }
        listener.end();
    }

    /** The connection is gone; what has arrived whole before is not lost by that. */
    void lineClosed(boolean wasOpen, String reason) {
        line = null;
        if (isOver || unread.stream().anyMatch(HttpMessage.End.class::isInstance)) {
            return;
        }
        if (!wasOpen) {
            fail(
                    everSent ? ApiException.Kind.CLOSED : ApiException.Kind.CONNECT,
                    "cannot connect: " + reason,
                    new ConnectException(reason));
            return;
        }
        boolean isEarly = http.host().nowNs() - sentNs < STALE_WINDOW_NS;
        if (!isConnected || (!hasHead && resends < MAX_RESENDS && isEarly && isOnUsed)) {
            resends++;
            begin();
        } else {
            fail(ApiException.Kind.CLOSED, "the connection was closed: " + reason, new java.io.IOException(reason));
        }
    }

    private void fail(ApiException.Kind kind, String message, Throwable cause) {
        if (isOver) {
            return;
        }
        drop();
        listener.failed(new ApiException(kind, call.address() + ": " + message, cause));
    }

    private void drop() {
        SimulatedHttp.Line current = line;
        finish();
        if (current != null) {
            current.close();
        }
    }

    private void finish() {
        isOver = true;
        line = null;
        http.ended(this);
        Event pending = limit;
        if (pending != null) {
            pending.cancel();
        }
    }

    @Override
    public void cancel() {
        if (!isOver) {
            drop();
        }
    }

    @Override
    public void pause() {
        isPaused = true;
    }

    @Override
    public void resume() {
        if (isPaused) {
            isPaused = false;
            heardNs = http.host().nowNs();
            http.host().after(0, "http resumed", this::read);
        }
    }

    @Override
    public boolean isOver() {
        return isOver;
    }

    @Override
    public Optional<String> trailer(String name) {
        return Optional.ofNullable(trailers.get(name));
    }
}
