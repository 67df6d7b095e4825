package dev.tandem.gateway.intake;

import dev.tandem.api.server.LoopExchange;
import dev.tandem.gateway.fleet.NodeKey;
import dev.tandem.gateway.protocol.ClientRequest;
import dev.tandem.gateway.protocol.ExchangeMeters;
import dev.tandem.gateway.protocol.GatewayCounter;
import dev.tandem.gateway.protocol.JsonSpans;
import dev.tandem.gateway.protocol.PdProtocol;
import dev.tandem.gateway.protocol.RequestIds;
import dev.tandem.gateway.protocol.SequencePlan;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Takes requests for completions and gives them to the exchange with the nodes. Called on event loops. */
public final class CompletionIntake {
    private static final List<String> FORWARDED = List.of("traceparent", "tracestate", "baggage");

    private final PdProtocol protocol;
    private final RequestIds ids;
    private final ExchangeMeters meters;
    private final NodeKey key;
    private final RunningAnswers running;
    private final boolean clientParamsAllowed;
    private final LongBodies longBodies = new LongBodies();

    /**
     * An intake for one order of exchange.
     *
     * @param key what nodes are shown
     * @param running the answers under way
     * @param clientParamsAllowed whether clients may send {@code kv_transfer_params}
     */
    public CompletionIntake(
            PdProtocol protocol,
            RequestIds ids,
            ExchangeMeters meters,
            NodeKey key,
            RunningAnswers running,
            boolean clientParamsAllowed) {
        this.key = key;
        this.running = running;
        this.clientParamsAllowed = clientParamsAllowed;
        this.protocol = protocol;
        this.ids = ids;
        this.meters = meters;
    }

    /** Starts serving a request; an {@link dev.tandem.api.openai.ApiError} when its body is not a JSON object. */
    public void accept(LoopExchange client) {
        if (client.body().length > LongBodies.LONG) {
            longBodies.read(client, json -> serve(client, json));
        } else {
            serve(client, JsonSpans.of(client.body()));
        }
    }

    private void serve(LoopExchange client, JsonSpans json) {
        meters.counters().increment(GatewayCounter.REQUESTS);
        String id = ids.take(client.header("X-Request-Id"));
        ClientRequest request = new ClientRequest(client.path(), id, json, forwarded(client));
        boolean isWhole = clientParamsAllowed && json.has("kv_transfer_params");
        if (!isWhole && !client.hold(SequencePlan.bytes(json))) {
            ids.release(id);
            throw client.memoryRefusal();
        }
        Optional<SequencePlan> plan = isWhole ? Optional.empty() : SequencePlan.of(json);
        if (plan.isEmpty()) {
            ClientAnswer answer = new ClientAnswer(client, id, meters, running, () -> ids.release(id));
            if (mayBegin(answer)) {
                begin(answer, () -> protocol.serve(request, answer));
            }
            return;
        }
        List<ClientRequest> parts = new ArrayList<>();
        for (byte[] body : plan.get().bodies()) {
            String partId = ids.take(Optional.of(id + "-" + parts.size()));
            parts.add(new ClientRequest(client.path(), partId, JsonSpans.of(body), request.headers()));
        }
        ClientAnswer answer = new ClientAnswer(client, id, meters, running, () -> {
            ids.release(id);
            parts.forEach(part -> ids.release(part.id()));
        });
        ReplyMerge merge = new ReplyMerge(request.replyId(), plan.get().choices(), parts.size());
        if (mayBegin(answer)) {
            begin(answer, new MergedAnswer(protocol, answer, parts, merge)::start);
        }
    }

    private static void begin(ClientAnswer answer, Runnable exchange) {
        try {
            exchange.run();
        } catch (RuntimeException e) { // what was reserved for it must not stay
            answer.abandon(e);
        }
    }

    /** A gateway that stops says so, on a connection that it then closes. */
    private boolean mayBegin(ClientAnswer answer) {
        if (running.add(answer)) {
            return true;
        }
        answer.header("Connection", "close");
        answer.fail(RunningAnswers.STOPPING);
        return false;
    }

    private Map<String, String> forwarded(LoopExchange client) {
        Map<String, String> headers = new LinkedHashMap<>();
        key.inPlaceOf(client.header("Authorization")).ifPresent(value -> headers.put("Authorization", value));
        for (String name : FORWARDED) {
            client.header(name).ifPresent(value -> headers.put(name, value));
        }
        headers.put("X-Tandem-Client", client.client()); // nodes see the gateway's address only
        return headers;
    }
}
