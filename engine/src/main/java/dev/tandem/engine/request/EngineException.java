package dev.tandem.engine.request;

/** A request that the engine did not serve, with a kind that says what the caller may do. */
public final class EngineException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Why. The node maps each kind to an HTTP status. */
    public enum Kind {
        /** A field is out of its limits: 400. */
        INVALID,
        /** Prompt and output do not fit the model length: 400. */
        TOO_LONG,
        /** The bounded queue is full: 429 with Retry-After. */
        OVERLOADED,
        /** The engine is starting, draining or dead: 503 with Retry-After. */
        UNAVAILABLE,
        /** The prompt's KV could not be fetched and the policy is to fail: 502. */
        KV_LOST,
        /** A deadline passed: 504. */
        TIMED_OUT,
        /** The client went away. */
        CANCELLED,
        /** Our own fault: 500. */
        INTERNAL
    }

    private final Kind kind;

    public EngineException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    public EngineException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** INVALID: another request has this id. */
    public static EngineException inUse(String requestId, String why) {
        return new EngineException(Kind.INVALID, "request id " + requestId + " is in use: " + why);
    }

    public Kind kind() {
        return kind;
    }
}
