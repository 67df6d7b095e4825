package dev.tandem.gateway.relay;

import dev.tandem.api.LoopExchange;
import dev.tandem.api.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.sse.SseFrames;
import java.io.ByteArrayOutputStream;

/**
 * Relays a stream of events as bytes. Whole events are sent on as soon as the event loop has handled what the network has delivered: events
 * that came together leave together, in one system call instead of one each. Nothing reaches the client before the first whole event, so
 * that until then another node can be asked. A slow client holds the node back. Owned by the event loop of its request.
 */
public final class StreamRelay {
    private static final int MAX_HELD_BYTES = 1 << 20;

    private final LoopExchange client;
    private final SseFrames frames = new SseFrames(MAX_HELD_BYTES);
    private final ByteArrayOutputStream ready = new ByteArrayOutputStream(512);
    private boolean begun;
    private boolean flushComing;

    /** Relays to this client. */
    public StreamRelay(LoopExchange client) {
        this.client = client;
    }

    /** Whether the client has got an event, or is about to. */
    public boolean hasBegun() {
        return begun;
    }

    /** Whether the stream was complete: its last event was {@code [DONE]}. */
    public boolean isComplete() {
        return frames.isDone();
    }

    /** Takes a chunk of the stream; {@code beforeFirst} runs before the answer begins. */
    public void relay(byte[] chunk, Upstream upstream, Runnable beforeFirst) {
        byte[] events = frames.feed(chunk);
        if (events.length == 0) {
            return;
        }
        if (!begun) {
            begun = true;
            beforeFirst.run();
            client.responseHeader("Cache-Control", "no-cache");
            client.begin(200, "text/event-stream; charset=utf-8");
        }
        ready.writeBytes(events);
        if (!flushComing) {
            flushComing = true;
            client.soon(() -> flush(upstream));
        }
    }

    /** Ends a complete stream. */
    public void finish() {
        client.endWith(takeReady());
    }

    /** Ends a stream that broke off with an error event: the client must not take it for complete. */
    public void breakOff(ApiError error) {
        client.send(takeReady());
        client.fail(error);
    }

    private void flush(Upstream upstream) {
        flushComing = false;
        if (ready.size() == 0 || client.isOver()) {
            return;
        }
        client.send(takeReady());
        if (!client.isWritable()) {
            upstream.pause();
            client.onWritable(upstream::resume);
        }
    }

    private byte[] takeReady() {
        byte[] bytes = ready.toByteArray();
        ready.reset();
        return bytes;
    }
}
