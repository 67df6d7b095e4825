package dev.tandem.ops.verify;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.time.Duration;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/** Asks a gateway what it thinks of its nodes. Stateless; any thread, which waits. */
public final class GatewayHealth {
    private static final Duration TIMEOUT = Duration.ofSeconds(2);

    private final Target gateway;
    private final Credentials credentials;

    /** @param gateway where it listens, in plain HTTP and without keys */
    public GatewayHealth(Endpoint gateway) {
        this(Target.of(gateway), Credentials.NONE);
    }

    /** A gateway that may speak TLS and ask for a key. */
    public GatewayHealth(Target gateway, Credentials credentials) {
        this.gateway = gateway;
        this.credentials = credentials;
    }

    /** What the gateway still waits for; empty when it regards so many prefill and decode nodes as healthy. */
    public Optional<String> missing(int prefillNodes, int decodeNodes) throws InterruptedException {
        try (var caller = new Caller(gateway, credentials, TIMEOUT)) {
            Reply page = caller.get(gateway, "/healthcheck");
            if (!page.isOk() || page.json().isMissingNode()) {
                return Optional.of("the gateway does not tell its nodes: " + page.complaint());
            }
            JsonNode told = page.json();
            int prefill = told.path("prefill_healthy").asInt(0);
            int decode = told.path("decode_healthy").asInt(0);
            return prefill >= prefillNodes && decode >= decodeNodes
                    ? Optional.empty()
                    : Optional.of("the gateway sees " + prefill + " of " + prefillNodes + " prefill nodes and " + decode
                            + " of " + decodeNodes + " decode nodes");
        }
    }
}
