package dev.tandem.preflight.host;

import org.jspecify.annotations.Nullable;

/** A meeting that did not come about or broke off; the message names the nodes. */
public final class MeetingException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What went wrong. */
    public enum Kind {
        /** Somebody was not there in time. */
        MISSING,
        /** Nodes were started with arguments that do not go together. */
        REFUSED,
        /** Somebody left, or said something that belongs to no meeting. */
        BROKEN
    }

    private final Kind kind;

    public MeetingException(Kind kind, String message) {
        this(kind, message, null);
    }

    public MeetingException(Kind kind, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
