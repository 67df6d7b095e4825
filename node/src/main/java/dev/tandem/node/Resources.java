package dev.tandem.node;

import java.util.ArrayDeque;
import java.util.Deque;

/** What a start has opened so far; closing it closes the parts in reverse order. Used by one thread. */
final class Resources implements AutoCloseable {
    /** Something that closes without a checked exception. */
    interface Part extends AutoCloseable {
        @Override
        void close();
    }

    private final Deque<Part> parts = new ArrayDeque<>();

    /** Remembers how a part is closed. */
    void add(Part part) {
        parts.push(part);
    }

    @Override
    public void close() {
        while (!parts.isEmpty()) {
            parts.pop().close();
        }
    }
}
