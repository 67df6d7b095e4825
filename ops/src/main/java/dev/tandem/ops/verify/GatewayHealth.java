package dev.tandem.ops.verify;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Asks a gateway what it thinks of its nodes. Stateless; any thread, which waits. */
public final class GatewayHealth {
    private static final Duration TIMEOUT = Duration.ofSeconds(2);

    private final Endpoint gateway;

    /** @param gateway where it listens */
    public GatewayHealth(Endpoint gateway) {
        this.gateway = gateway;
    }

    /** What the gateway still waits for; empty when it regards so many prefill and decode nodes as healthy. */
    public Optional<String> missing(int prefillNodes, int decodeNodes) throws InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + gateway + "/healthcheck"))
                .timeout(TIMEOUT)
                .build();
        try (HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build()) {
            JsonNode page = JsonMapper.shared()
                    .readTree(client.send(request, HttpResponse.BodyHandlers.ofString())
                            .body());
            int prefill = page.path("prefill_healthy").asInt(0);
            int decode = page.path("decode_healthy").asInt(0);
            return prefill >= prefillNodes && decode >= decodeNodes
                    ? Optional.empty()
                    : Optional.of("the gateway sees " + prefill + " of " + prefillNodes + " prefill nodes and " + decode
                            + " of " + decodeNodes + " decode nodes");
        } catch (IOException e) {
            return Optional.of("the gateway does not answer: " + e.getMessage());
        } catch (JacksonException e) {
            return Optional.of("the gateway's health page is not valid JSON: " + e.getOriginalMessage());
        }
    }
}
