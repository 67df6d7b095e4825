package dev.tandem.engine.handoff.runtime;

import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.request.EngineException;
import dev.tandem.transfer.TransferException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one half of a connector has under way, by request, and the events that end it on their way to the engine loop. All methods belong
 * to the engine loop, but for {@link #post}.
 *
 * @param <T> a fetch or a push
 */
public final class EventQueue<T> {
    private static final Logger LOG = LoggerFactory.getLogger(EventQueue.class);

    private final String done; // completes "its KV is being …"
    private final SideChannel channel;
    private final Runnable wakeLoop;
    private final Set<String> open = new HashSet<>();
    private final Map<String, T> begun = new HashMap<>(); // those of the open ones that the poller works on
    private final Queue<HandoffEvent> events = new ConcurrentLinkedQueue<>(); // at most one per open request

    /**
     * @param done what happens to the KV of these requests, for messages: {@code "fetched"}
     * @param channel whose poller does it
     * @param wakeLoop called when there is something to drain
     */
    public EventQueue(String done, SideChannel channel, Runnable wakeLoop) {
        this.done = done;
        this.channel = channel;
        this.wakeLoop = wakeLoop;
    }

    /**
     * A request is under way from now on, until its event has been drained. Where the side channel is behind, the event is a failure and
     * comes at once; nobody tells the peer, whose lease or wait ends by its deadline.
     *
     * @param first what the poller does first
     * @param failed makes the event of a failure
     * @return whether the poller will do it
     * @throws EngineException INVALID when one of this id is under way already
     */
    public boolean begin(
            String requestId, T exchange, Runnable first, Function<TransferException, HandoffEvent> failed) {
        if (open.contains(requestId)) {
            throw EngineException.inUse(requestId, "its KV is being " + done);
        }
        open.add(requestId);
        if (channel.offer(first)) {
            begun.put(requestId, exchange);
            return true;
        }
        String why = channel.trouble().orElse("the side channel is behind");
        LOG.warn("request={} KV not {}: {}", requestId, done, why);
        post(failed.apply(new TransferException(TransferException.Kind.OVERLOADED, why)));
        return false;
    }

    /** Requests under way. */
    public int size() {
        return open.size();
    }

    /** What was begun for a request and has not ended, else null. */
    public @Nullable T find(String requestId) {
        return begun.get(requestId);
    }

    /** All that was begun and has not ended. */
    public List<T> all() {
        return new ArrayList<>(begun.values());
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
            begun.remove(event.requestId());
            found.add(event);
        }
    }
}
