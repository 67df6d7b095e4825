package dev.tandem.gateway.relay;

import dev.tandem.api.LoopExchange;
import dev.tandem.api.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.sse.SseFrames;

/**
 * Relays a stream of events as bytes, event by event, each sent on as soon as it is whole. Nothing reaches the client before the first
 * whole event, so that until then another node can be asked. A slow client holds the node back. Owned by the event loop of its request.
 */
public final class StreamRelay {
    private static final int MAX_HELD_BYTES = 1 << 20;

    private final LoopExchange client;
    private final SseFrames frames = new SseFrames(MAX_HELD_BYTES);
    private boolean begun;

    /** Relays to this client. */
    public StreamRelay(LoopExchange client) {
        this.client = client;
    }

    /** Whether the client has got an event. */
    public boolean hasBegun() {
        return begun;
    }

    /** Whether the stream was complete: its last event was {@code [DONE]}. */
    public boolean isComplete() {
        return frames.isDone();
    }

    /** Sends on what is whole; the upstream is held back while the client is slow. */
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
        client.send(events);
        if (!client.isWritable()) {
            upstream.pause();
            client.onWritable(upstream::resume);
        }
    }

    /** Ends a complete stream. */
    public void finish() {
        client.end();
    }

    /** Ends a stream that broke off with an error event: the client must not take it for complete. */
    public void breakOff(ApiError error) {
        client.fail(error);
    }
}
