package dev.tandem.kv;

/** Memory for KV blocks that this machine cannot give; the message names what was asked for and what is there. */
public final class KvMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public KvMemoryException(String message) {
        super(message);
    }
}
