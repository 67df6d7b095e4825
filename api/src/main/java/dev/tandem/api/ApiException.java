package dev.tandem.api;

/**
 * A failure of the network or of the other side, with its kind. {@link Kind#CONNECT} promises that nothing of the request was ever
 * sent; every other kind of a client's failure leaves open whether the other side has acted on it.
 */
public final class ApiException extends RuntimeException {
    /** What went wrong. */
    public enum Kind {
        /** The address to listen on is taken by another process. */
        ADDRESS_IN_USE,
        /** The address to listen on is not one of this machine, or may not be bound. */
        ADDRESS_REFUSED,
        /** No connection came about: nothing was sent. */
        CONNECT,
        /** The connection ended before the response was complete. */
        CLOSED,
        /** The other side stayed silent, or took, longer than allowed. */
        TIMEOUT,
        /** What came back is no HTTP, or larger than allowed. */
        PROTOCOL,
        /** This side called the exchange off. */
        CANCELLED
    }

    private final Kind kind;

    /** A failure with its cause. */
    public ApiException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** A failure without a cause. */
    public ApiException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    /** What went wrong. */
    public Kind kind() {
        return kind;
    }
}
