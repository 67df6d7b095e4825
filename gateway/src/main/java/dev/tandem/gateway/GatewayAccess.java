package dev.tandem.gateway;

import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.access.TlsFiles;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Who may call the gateway, and what it shows to nodes.
 *
 * @param clients keys and certificates of its own server
 * @param nodeKey key that it sends to nodes
 * @param nodeKeyFile file with that key, read again when it changes; empty where there is {@code nodeKey}
 * @param metricsPort a further port that shows {@code /metrics} alone, without keys; 0 for any free one
 * @param nodes what it shows to nodes that speak TLS, and whom of them it trusts
 */
public record GatewayAccess(
        ServerAccess clients,
        Optional<String> nodeKey,
        Optional<Path> nodeKeyFile,
        OptionalInt metricsPort,
        TlsFiles nodes) {
    /** Everybody, in plain HTTP. */
    public static final GatewayAccess OPEN = new GatewayAccess(
            ServerAccess.OPEN, Optional.empty(), Optional.empty(), OptionalInt.empty(), TlsFiles.NONE);

    /** Without the key: records are printed. */
    @Override
    public String toString() {
        return "GatewayAccess[clients=" + clients + ", nodeKeyFile=" + nodeKeyFile + ", nodes=" + nodes + "]";
    }
}
