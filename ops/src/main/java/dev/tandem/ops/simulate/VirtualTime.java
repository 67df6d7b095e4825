package dev.tandem.ops.simulate;

import java.util.PriorityQueue;
import java.util.function.BooleanSupplier;

/**
 * Time that passes from event to event: one queue, ordered by time and, at the same time, by who was scheduled first. An event runs to its end
 * before the next one begins, so whoever runs here needs no locks, and the same schedule gives the same run. One thread.
 */
public final class VirtualTime {
    /** Something that will happen, unless it is cancelled. */
    public static final class Event {
        private final long atNs;
        private final long order;
        private final Runnable action;
        private boolean isCancelled;

        private Event(long atNs, long order, Runnable action) {
            this.atNs = atNs;
            this.order = order;
            this.action = action;
        }

        /** It will not happen; without effect when it has happened. */
        public void cancel() {
            isCancelled = true;
        }

        private static int compare(Event one, Event other) {
            return one.atNs == other.atNs ? Long.compare(one.order, other.order) : Long.compare(one.atNs, other.atNs);
        }
    }

    private final PriorityQueue<Event> events = new PriorityQueue<>(Event::compare);
    private long nowNs;
    private long orders;
    private long happened;

    /** Nanoseconds since the beginning. */
    public long nowNs() {
        return nowNs;
    }

    /** Events that have happened. */
    public long happened() {
        return happened;
    }

    /** @throws IllegalStateException when that time is over */
    public Event at(long atNs, Runnable action) {
        if (atNs < nowNs) {
            throw new IllegalStateException("an event for " + atNs + " ns, but it is " + nowNs + " ns");
        }
        var event = new Event(atNs, orders++, action);
        events.add(event);
        return event;
    }

    /** Runs the next event; false when there is none. */
    public boolean step() {
        for (Event next = events.poll(); next != null; next = events.poll()) {
            if (!next.isCancelled) {
                nowNs = next.atNs;
                happened++;
                next.action.run();
                return true;
            }
        }
        return false;
    }

    /** Lets time pass until then; what is scheduled for exactly then happens too. */
    public void runUntil(long endNs) {
        runUntil(endNs, () -> false);
    }

    /**
     * Lets time pass until something is so, asked after each event.
     *
     * @param endNs when to give up
     * @return whether it became so
     */
    public boolean runUntil(long endNs, BooleanSupplier isSo) {
        while (!isSo.getAsBoolean()) {
            dropCancelled();
            Event next = events.peek();
            if (next == null || next.atNs > endNs) {
                nowNs = Math.max(nowNs, endNs);
                return false;
            }
            step();
        }
        return true;
    }

    private void dropCancelled() {
        for (Event next = events.peek(); next != null && next.isCancelled; next = events.peek()) {
            events.poll();
        }
    }
}
