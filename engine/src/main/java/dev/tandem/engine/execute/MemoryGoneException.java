package dev.tandem.engine.execute;

import org.jspecify.annotations.Nullable;

/**
 * A step touched mapped memory that the system could not give: the pool's pages are committed when they are first written, and whoever else
 * writes to {@code /dev/shm} may have filled it. The step's sequences have not advanced; others whose pages are there can go on.
 */
public final class MemoryGoneException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final String FAULT = "unsafe memory access";

    MemoryGoneException(@Nullable Throwable fault) {
        super("no memory behind the KV pool: /dev/shm, or the disk that it lies on, is full", fault);
    }

    /** Whether that is what an error says: the JVM turns the system's signal into it. */
    static boolean isFault(@Nullable Throwable error) {
        return error instanceof InternalError
                && String.valueOf(error.getMessage()).contains(FAULT);
    }
}
