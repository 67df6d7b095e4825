package dev.tandem.ops.verify;

import dev.tandem.api.access.TlsFiles;
import java.util.Optional;

/**
 * What a verification shows to those that it asks.
 *
 * @param apiKey sent as bearer
 * @param nodeKey sent to nodes behind the target instead, where they have keys of their own
 * @param tls certificate to show, and whom to trust, where {@code https} is spoken
 */
public record Credentials(Optional<String> apiKey, Optional<String> nodeKey, TlsFiles tls) {
    /** Nothing, and the Java platform's trust. */
    public static final Credentials NONE = new Credentials(Optional.empty(), Optional.empty(), TlsFiles.NONE);

    /** Without the keys: records are printed. */
    @Override
    public String toString() {
        return "Credentials[tls=" + tls + "]";
    }
}
