package dev.tandem.cli.log;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.classic.spi.StackTraceElementProxy;
import ch.qos.logback.core.LayoutBase;
import dev.tandem.api.OneLine;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;

/**
 * A log event as text: {@code 12:00:00.000 WARN  LeaseTable: message}, one line. Frames of a stack trace follow indented, so that only a line
 * of ours begins with a time. Stateless.
 */
final class LineLayout extends LayoutBase<ILoggingEvent> {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneId.systemDefault());
    private static final String INDENT = "    ";
    /** Frames shown of each throwable, and causes and suppressed ones shown of an event. */
    private static final int MAX_FRAMES = 64;

    private static final int MAX_THROWABLES = 16;

    @Override
    public String doLayout(ILoggingEvent event) {
        var text = new StringBuilder(128);
        line(
                text,
                event.getTimeStamp(),
                event.getLevel().toString(),
                event.getLoggerName(),
                event.getFormattedMessage());
        if (event.getThrowableProxy() != null) {
            trace(text, "", event.getThrowableProxy(), MAX_THROWABLES);
        }
        return text.toString();
    }

    /** Adds a line, ended. */
    static void line(StringBuilder text, long timeMs, String level, String logger, String message) {
        TIME.formatTo(Instant.ofEpochMilli(timeMs), text);
        text.append(' ')
                .append(level)
                .repeat(' ', Math.max(0, 5 - level.length()))
                .append(' ');
        text.append(logger, logger.lastIndexOf('.') + 1, logger.length()).append(": ");
        text.append(OneLine.of(message == null ? "null" : message)).append('\n');
    }

    /** Adds a throwable with what caused it; gives back how many more may be shown. */
    private static int trace(StringBuilder text, String relation, IThrowableProxy thrown, int places) {
        if (places == 0) {
            return 0;
        }
        String message = thrown.getMessage() == null ? "" : ": " + thrown.getMessage();
        text.append(INDENT)
                .append(relation)
                .append(OneLine.of(thrown.getClassName() + message))
                .append('\n');
        StackTraceElementProxy[] frames = thrown.getStackTraceElementProxyArray();
        int shown = Math.min(MAX_FRAMES, frames.length - thrown.getCommonFrames());
        for (int i = 0; i < shown; i++) {
            text.append(INDENT)
                    .append(INDENT)
                    .append(OneLine.of(frames[i].getSTEAsString()))
                    .append('\n');
        }
        if (shown < frames.length) {
            text.append(INDENT)
                    .append(INDENT)
                    .append("… ")
                    .append(frames.length - shown)
                    .append(" more\n");
        }
        int left = places - 1;
        if (thrown.getCause() != null && !thrown.isCyclic()) {
            left = trace(text, "caused by ", thrown.getCause(), left);
        }
        for (IThrowableProxy suppressed : thrown.getSuppressed()) {
            left = trace(text, "beside ", suppressed, left);
        }
        return left;
    }
}
