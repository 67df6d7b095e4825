package dev.tandem.cli.log;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.core.Appender;
import org.slf4j.LoggerFactory;

/** The log of this process as a whole. */
public final class ProcessLog {
    private static final long FLUSH_LIMIT_MS = 500;

    private ProcessLog() {}

    /** Leaves warnings and errors: for verbs that write for people. */
    public static void onlyWarnings() {
        if (LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME) instanceof Logger root) {
            root.setLevel(Level.WARN);
        }
    }

    /** Waits, for a bounded time, until what was logged is written. */
    public static void flush() throws InterruptedException {
        if (LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME) instanceof Logger root) {
            Appender<?> appender = root.getAppender("STDERR");
            if (appender instanceof LogQueue queue) {
                queue.flush(FLUSH_LIMIT_MS);
            }
        }
    }
}
