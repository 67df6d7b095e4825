package dev.tandem.ops.topology;

/** A topology file that cannot be carried out; the message names file, line, key and the fix. */
public final class TopologyException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public TopologyException(String message) {
        super(message);
    }

    public TopologyException(String message, Throwable cause) {
        super(message, cause);
    }
}
