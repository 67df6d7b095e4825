package dev.tandem.transfer;

import org.jspecify.annotations.Nullable;

/** A transfer that did not happen, with the reason as a kind that says what the caller may do. */
public final class TransferException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What went wrong. */
    public enum Kind {
        /** Nobody listens at the peer's address, or the connection was lost: the peer may be dead. */
        PEER_GONE,
        /** A deadline passed: connect, first byte, progress or the whole batch. */
        TIMED_OUT,
        /** The peer refused an address: not registered, or its lease is over. Trying again does not help. */
        REJECTED,
        /** Bytes arrived that are not what was sent (checksum), or a malformed frame. */
        CORRUPT,
        /** The bound on queued bytes or transfers is reached. */
        OVERLOADED,
        /** The caller cancelled it, or the engine was closed. */
        CANCELLED
    }

    private final Kind kind;

    public TransferException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    public TransferException(Kind kind, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
