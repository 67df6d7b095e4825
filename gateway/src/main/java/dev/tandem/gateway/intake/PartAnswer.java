package dev.tandem.gateway.intake;

import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.sse.SseException;
import dev.tandem.api.sse.SseReader;
import dev.tandem.gateway.relay.Answer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** The answer for one sequence of several. Owned by the event loop of the client's connection. */
final class PartAnswer implements Answer {
    private static final int MAX_EVENT_BYTES = 1 << 20;

    private final MergedAnswer whole;
    private final int sequence;
    private final List<String> events = new ArrayList<>();
    private final SseReader reader = new SseReader(MAX_EVENT_BYTES, events::add);
    private @Nullable Runnable goneAction;
    private boolean over;

    PartAnswer(MergedAnswer whole, int sequence) {
        this.whole = whole;
        this.sequence = sequence;
    }

    int sequence() {
        return sequence;
    }

    @Override
    public Optional<ApiError> hold(long bytes) {
        return over ? Optional.empty() : whole.client().hold(bytes);
    }

    @Override
    public void header(String name, String value) {
        if (!over) {
            whole.header(name, value);
        }
    }

    @Override
    public void trailer(String name, String value) {
        if (!over) {
            whole.client().trailer(name, value);
        }
    }

    @Override
    public void respond(int status, String contentType, byte[] body) {
        if (over) {
            return;
        }
        over = true;
        if (status < 300) {
            whole.whole(this, body);
        } else {
            whole.refused(status, contentType, body);
        }
    }

    @Override
    public void events(byte[] bytes, Upstream from) {
        if (over) {
            return;
        }
        try {
            reader.feed(bytes);
        } catch (SseException e) {
            fail(ApiError.badGateway("an event of a decode node is too large"));
            return;
        }
        List<String> arrived = List.copyOf(events);
        events.clear();
        arrived.forEach(data -> whole.event(this, data, from));
    }

    @Override
    public void endEvents() {
        if (!over) {
            over = true;
            whole.eventsEnded(this);
        }
    }

    @Override
    public void fail(ApiError error) {
        if (!over) {
            over = true;
            whole.failed(error);
        }
    }

    @Override
    public void onGone(Runnable action) {
        goneAction = action;
    }

    @Override
    public void soon(Runnable action) {
        whole.client().soon(action);
    }

    @Override
    public Executor loop() {
        return whole.client().loop();
    }

    @Override
    public void later(Duration delay, Runnable action) {
        whole.client().later(delay, action);
    }

    /** Nobody wants this sequence any more. */
    void callOff() {
        over = true;
        Runnable action = goneAction;
        if (action != null) {
            action.run();
        }
    }
}
