package dev.tandem.gateway.intake;

import dev.tandem.api.LoopExchange;
import dev.tandem.gateway.protocol.ClientRequest;
import dev.tandem.gateway.protocol.ExchangeMeters;
import dev.tandem.gateway.protocol.GatewayCounter;
import dev.tandem.gateway.protocol.JsonSpans;
import dev.tandem.gateway.protocol.PdProtocol;
import dev.tandem.gateway.protocol.RequestIds;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Takes requests for completions and gives them to the exchange with the nodes. Called on event loops. */
public final class CompletionIntake {
    private static final List<String> FORWARDED = List.of("Authorization", "traceparent", "tracestate", "baggage");

    private final PdProtocol protocol;
    private final RequestIds ids;
    private final ExchangeMeters meters;

    /** An intake for one order of exchange. */
    public CompletionIntake(PdProtocol protocol, RequestIds ids, ExchangeMeters meters) {
        this.protocol = protocol;
        this.ids = ids;
        this.meters = meters;
    }

    /** Starts serving a request; an {@link dev.tandem.api.openai.ApiError} when its body is no JSON object. */
    public void accept(LoopExchange client) {
        JsonSpans json = JsonSpans.of(client.body());
        meters.counters().add(GatewayCounter.REQUESTS);
        String id = ids.take(client.header("X-Request-Id"));
        ClientAnswer answer = new ClientAnswer(client, id, meters, () -> ids.release(id));
        protocol.serve(new ClientRequest(client.path(), id, json, forwarded(client)), answer);
    }

    private static Map<String, String> forwarded(LoopExchange client) {
        Map<String, String> headers = new LinkedHashMap<>();
        for (String name : FORWARDED) {
            client.header(name).ifPresent(value -> headers.put(name, value));
        }
        return headers;
    }
}
