package dev.tandem.engine;

import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Living sequences by the end of their present wait. A wait that ends sooner than the one before has to be told by {@link #update}; one that
 * ends later is found out when the earlier end comes. Lent sequences are left out: their connector ends leases. Owned by the engine loop.
 */
final class DeadlineQueue {
    /** @param order of arrival, so that no two are equal */
    private record Key(long deadlineNs, long order) implements Comparable<Key> {
        @Override
        public int compareTo(Key other) {
            int byDeadline = Long.compare(deadlineNs, other.deadlineNs);
            return byDeadline != 0 ? byDeadline : Long.compare(order, other.order);
        }
    }

    private final TreeMap<Key, Sequence> queue = new TreeMap<>();
    private final Map<Sequence, Key> keys = new HashMap<>();

    /** Takes a sequence in, or its new deadline. */
    void update(Sequence sequence) {
        remove(sequence);
        if (sequence.state() != SequenceState.LENT && sequence.waitDeadlineNs() != Long.MAX_VALUE) {
            var key = new Key(sequence.waitDeadlineNs(), sequence.admission().order());
            keys.put(sequence, key);
            queue.put(key, sequence);
        }
    }

    /** A sequence has ended. */
    void remove(Sequence sequence) {
        Key key = keys.remove(sequence);
        if (key != null) {
            queue.remove(key);
        }
    }

    void clear() {
        queue.clear();
        keys.clear();
    }

    /** Whether the wait of {@link #first} has ended. */
    boolean hasExpired(long nowNs) {
        while (!queue.isEmpty() && queue.firstKey().deadlineNs() <= nowNs) {
            Sequence first = queue.firstEntry().getValue();
            if (first.state() != SequenceState.LENT && first.waitDeadlineNs() <= nowNs) {
                return true;
            }
            update(first);
        }
        return false;
    }

    /** The sequence that waits the shortest. */
    Sequence first() {
        return queue.firstEntry().getValue();
    }

    /** No wait ends before; {@link Long#MAX_VALUE} when nothing waits. */
    long nextDeadlineNs() {
        return queue.isEmpty() ? Long.MAX_VALUE : queue.firstKey().deadlineNs();
    }
}
