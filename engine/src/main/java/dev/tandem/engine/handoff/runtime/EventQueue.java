package dev.tandem.engine.handoff.runtime;

import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.request.EngineException;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The requests that one half of a connector has under way, and the events that end them on their way to the engine loop. All methods
 * belong to the engine loop, but for {@link #post}.
 */
public final class EventQueue {
    private final String doing; // completes "its KV is …"
    private final Runnable wakeLoop;
    private final Set<String> open = new HashSet<>();
    private final Queue<HandoffEvent> events = new ConcurrentLinkedQueue<>(); // at most one per open request

    /**
     * @param doing what happens to the KV of these requests, for messages
     * @param wakeLoop called when there is something to drain
     */
    public EventQueue(String doing, Runnable wakeLoop) {
        this.doing = doing;
        this.wakeLoop = wakeLoop;
    }

    /**
     * A request is under way from now on, until its event has been drained.
     *
     * @throws EngineException INVALID when one of this id is already
     */
    public void open(String requestId) {
        if (!open.add(requestId)) {
            throw new EngineException(
                    EngineException.Kind.INVALID, "request id " + requestId + " is in use: its KV is " + doing);
        }
    }

    /** Requests under way. */
    public int size() {
        return open.size();
    }

    /** Any thread: leaves the one event of a request. */
    public void post(HandoffEvent event) {
        events.add(event);
        wakeLoop.run();
    }

    /** Takes the events that have come. */
    public void drainTo(List<HandoffEvent> found) {
        for (HandoffEvent event = events.poll(); event != null; event = events.poll()) {
            open.remove(event.requestId());
            found.add(event);
        }
    }
}
