package dev.tandem.transfer;

import java.util.concurrent.CompletionException;
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

    /**
     * Why a transfer has ended without a result.
     *
     * @param operation what it was to do to the peer's memory
     * @param cause as its future tells it
     */
    public static TransferException of(Region.Operation operation, @Nullable Throwable cause) {
        Throwable found = cause instanceof CompletionException ? cause.getCause() : cause;
        if (found instanceof TransferException exception) {
            return exception;
        }
        String what = switch (operation) {
            case READ -> "read";
            case WRITE -> "write";
        };
        return new TransferException(Kind.PEER_GONE, "the " + what + " ended without a result: " + found, found);
    }

    public Kind kind() {
        return kind;
    }
}
