package dev.tandem.gateway.intake;

import dev.tandem.api.WorkLane;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.gateway.protocol.JsonSpans;
import java.util.function.Consumer;

/**
 * Reads long bodies on a thread of its own, which ends when it has had nothing to do for a while: an event loop would stand still for a
 * tenth of a second per body, with all other clients of that loop. Any event loop may call.
 */
final class LongBodies {
    /** Bytes of the longest body that an event loop reads itself: a few milliseconds. */
    static final int LONG = 1 << 20;

    /** Bytes that may wait or be read: some seconds. */
    private static final int ROOM = 256 << 20;

    private static final int RETRY_AFTER_SECONDS = 2;

    private final WorkLane lane = new WorkLane("long-bodies", 1, ROOM);

    /** Reads the body of a request; the action goes on with it on the request's event loop. */
    void read(LoopExchange client, Consumer<JsonSpans> action) {
        boolean isTaken = lane.offer(client.body().length, () -> {
                    readNow(client, action);
                    return true;
                })
                .isPresent();
        if (!isTaken) {
            throw ApiError.unavailable(
                    "more than " + ROOM + " bytes of long bodies wait to be read", RETRY_AFTER_SECONDS);
        }
    }

    private static void readNow(LoopExchange client, Consumer<JsonSpans> action) {
        if (client.isGone()) {
            return;
        }
        try {
            JsonSpans json = JsonSpans.of(client.body());
            client.soon(() -> {
                try {
                    action.accept(json);
                } catch (RuntimeException e) {
                    client.fail(e);
                }
            });
        } catch (RuntimeException | Error e) { // the client must hear of either
            client.soon(() -> client.fail(e));
        }
    }
}
