package dev.tandem.checkpoint;

/** A checkpoint that cannot be used; the message names file, tensor or key, what was expected and what was found. */
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
