package dev.tandem.preflight.host;

import org.jspecify.annotations.Nullable;

/** A barrier was not reached by all nodes, or broke; the message names the nodes. */
public final class HostBarrierException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What went wrong. */
    public enum Kind {
        /** A node was not there in time. */
        MISSING,
        /** Nodes were started with arguments that do not go together. */
        REFUSED,
        /** A node left, or sent something that belongs to no barrier. */
        BROKEN
    }

    private final Kind kind;

    public HostBarrierException(Kind kind, String message) {
        this(kind, message, null);
    }

    public HostBarrierException(Kind kind, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
