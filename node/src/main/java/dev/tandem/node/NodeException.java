package dev.tandem.node;

/** A node that cannot start; the message names what is wrong and what would do. */
public final class NodeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public NodeException(String message, Throwable cause) {
        super(message, cause);
    }

    public NodeException(String message) {
        super(message);
    }
}
