package dev.tandem.gateway.relay;

import java.io.ByteArrayOutputStream;

/** Collects an answer that goes on in one piece, within a bound. Owned by the event loop of its request. */
public final class ReplyCollector {
    private final int maxBytes;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    /** Takes at most this many bytes. */
    public ReplyCollector(int maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Adds a chunk; false when the bound would be passed. */
    public boolean add(byte[] chunk) {
        if (bytes.size() + chunk.length > maxBytes) {
            return false;
        }
        bytes.writeBytes(chunk);
        return true;
    }

    /** What has been collected. */
    public byte[] bytes() {
        return bytes.toByteArray();
    }
}
