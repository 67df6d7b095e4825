package dev.tandem.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import org.slf4j.LoggerFactory;

/** What verbs that write for people do with the log of the modules below them. */
final class Quiet {
    private Quiet() {}

    /** Leaves warnings and errors. */
    static void onlyWarnings() {
        if (LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME) instanceof Logger root) {
            root.setLevel(Level.WARN);
        }
    }
}
