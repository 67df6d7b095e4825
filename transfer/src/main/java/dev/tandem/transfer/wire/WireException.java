package dev.tandem.transfer.wire;

/** Bytes of a peer that are not a frame of this protocol. A checked exception, since whoever reads a peer's bytes must have an answer to it. */
public final class WireException extends Exception {
    private static final long serialVersionUID = 1L;

    public WireException(String message) {
        super(message);
    }

    public WireException(String message, Throwable cause) {
        super(message, cause);
    }
}
