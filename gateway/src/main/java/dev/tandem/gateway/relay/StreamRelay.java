package dev.tandem.gateway.relay;

import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.sse.SseFrames;
import java.util.function.BooleanSupplier;

/**
 * Relays a stream of events as bytes: whole events go on, half of one waits for its rest. Nothing reaches the answer before the first
 * whole event, so that until then another node can be asked. Owned by the event loop of its request.
 */
public final class StreamRelay {
    private static final int MAX_HELD_BYTES = 1 << 20;

    private final Answer answer;
    private final SseFrames frames = new SseFrames(MAX_HELD_BYTES);
    private boolean begun;

    /** Relays into this answer. */
    public StreamRelay(Answer answer) {
        this.answer = answer;
    }

    /** Whether the answer has got an event. */
    public boolean hasBegun() {
        return begun;
    }

    /** Whether the stream was complete: its last event was {@code [DONE]}. */
    public boolean isComplete() {
        return frames.isDone();
    }

    /** Takes a chunk of the stream; {@code mayBegin} is asked before the answer begins, after a no nothing goes on. */
    public void relay(byte[] chunk, Upstream upstream, BooleanSupplier mayBegin) {
        byte[] events = frames.feed(chunk);
        if (events.length == 0) {
            return;
        }
        if (!begun && !mayBegin.getAsBoolean()) {
            return;
        }
        begun = true;
        answer.events(events, upstream);
    }

    /** Ends a stream that broke off with an error event: the client must not take it for complete. */
    public void breakOff(ApiError error) {
        answer.fail(error);
    }
}
