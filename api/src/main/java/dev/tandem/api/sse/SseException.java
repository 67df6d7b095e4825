package dev.tandem.api.sse;

/** A stream is not what server-sent events may be: an event is larger than its reader allows. */
public final class SseException extends RuntimeException {
    /** Says what is wrong. */
    public SseException(String message) {
        super(message);
    }
}
