package dev.tandem.api;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Hears of every thread of this process that ends by something that nobody caught, a library's threads too, and remembers the first that
 * was there to stay: such a process may look well and do half of its work. Virtual threads belong to one request or call, whose waiter has a
 * deadline; their ends are logged only. Thread-safe.
 */
public final class ThreadDeaths implements Thread.UncaughtExceptionHandler {
    private static final Logger LOG = LoggerFactory.getLogger(ThreadDeaths.class);

    private final AtomicReference<@Nullable String> first = new AtomicReference<>(); // whichever thread dies first

    private ThreadDeaths() {}

    /** Listens from now on, for the whole process; a second call changes nothing. */
    public static void listen() {
        if (!(Thread.getDefaultUncaughtExceptionHandler() instanceof ThreadDeaths)) {
            Thread.setDefaultUncaughtExceptionHandler(new ThreadDeaths());
        }
    }

    /** The first death in this process, by the thread's name; empty while all live. */
    public static Optional<String> first() {
        return Thread.getDefaultUncaughtExceptionHandler() instanceof ThreadDeaths deaths
                ? Optional.ofNullable(deaths.first.get())
                : Optional.empty();
    }

    @Override
    public void uncaughtException(Thread thread, Throwable cause) {
        if (!thread.isVirtual()) {
            first.compareAndSet(null, "thread " + thread.getName() + " died: " + cause);
        }
        LOG.error("thread {} died", thread.getName(), cause);
    }
}
