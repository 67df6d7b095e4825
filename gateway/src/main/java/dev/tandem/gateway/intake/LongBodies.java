package dev.tandem.gateway.intake;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.gateway.protocol.JsonSpans;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Reads long bodies on a thread of its own, which ends when it has had nothing to do for a while: an event loop would stand still for a
 * tenth of a second per body, with all other clients of that loop. Any event loop may call.
 */
final class LongBodies {
    /** Bytes of the longest body that an event loop reads itself: a few milliseconds. */
    static final int LONG = 1 << 20;

    private static final int MAX_WAITING = 256;
    private static final int IDLE_SECONDS = 30;
    private static final int RETRY_AFTER_SECONDS = 2;

    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            1,
            1,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(MAX_WAITING),
            Thread.ofPlatform().daemon().name("long-bodies").factory());

    LongBodies() {
        thread.allowCoreThreadTimeOut(true);
    }

    /** Reads the body of a request; the action goes on with it on the request's event loop. */
    void read(LoopExchange client, Consumer<JsonSpans> action) {
        try {
            thread.execute(() -> readNow(client, action));
        } catch (RejectedExecutionException tooMany) {
            throw ApiError.unavailable(
                    "more than " + MAX_WAITING + " long bodies wait to be read", RETRY_AFTER_SECONDS);
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
