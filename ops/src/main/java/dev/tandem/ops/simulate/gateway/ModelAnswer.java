package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.server.LoopExchange;
import dev.tandem.ops.simulate.SimulatedHost;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.node.ObjectNode;

/**
 * The tokens of a model node: a function of the prompt (as its KV has it), the seed and the position, so that a client knows what it must get.
 * As one answer or as events, which are cut into pieces anywhere.
 */
final class ModelAnswer {
    private static final String RECOMPUTED = "x-tandem-recomputed";

    private final ModelNode node;
    private final SimulatedHost host;
    private final LoopExchange exchange;
    private final ObjectNode body;
    private final int tokens;

    ModelAnswer(ModelNode node, SimulatedHost host, LoopExchange exchange, ObjectNode body) {
        this.node = node;
        this.host = host;
        this.exchange = exchange;
        this.body = body;
        this.tokens = body.path("max_tokens").asInt(1);
    }

    /** What the token at a position is. */
    static String token(String prompt, long seed, int position) {
        return prompt + "/" + seed + ":" + position + " ";
    }

    void begin(String prompt, NodeRuns.Origin origin) {
        int run = node.runs().add(origin);
        String id = exchange.header("X-Request-Id").orElse("");
        host.network()
                .trace(node.address(), "answers " + id + ", " + origin.name().toLowerCase(Locale.ROOT));
        boolean saysRecomputed =
                origin == NodeRuns.Origin.RECOMPUTED && node.traits().isTandem();
        if (body.path("stream").asBoolean(false)) {
            exchange.start(200, "text/event-stream");
            stream(new Stream(prompt, run, saysRecomputed, breaksAt()), 0);
        } else {
            if (saysRecomputed) {
                exchange.responseHeader(RECOMPUTED, "no KV");
            }
            host.after(
                    tokens * node.traits().tokenNs(),
                    "answer",
                    () -> exchange.respond(
                            200,
                            "application/json",
                            bytes("{" + head() + choices(text(prompt), run, "\"length\"") + usage() + "}")));
        }
    }

    /** The position at which a stream ends without its end; behind all tokens for none. */
    private int breaksAt() {
        boolean breaks = !node.runs().areFaultsOver()
                && node.random().nextDouble() < node.traits().brokenStreamShare();
        return breaks ? node.random().nextInt(tokens + 1) : Integer.MAX_VALUE;
    }

    /** What stays the same from event to event. */
    private record Stream(String prompt, int run, boolean saysRecomputed, int breaksAt) {}

    private void stream(Stream stream, int position) {
        if (exchange.isOver()) {
            return;
        }
        if (position == stream.breaksAt()) {
            if (node.random().nextBoolean()) {
                send(
                        "data: {\"error\":{\"message\":\"the engine failed\",\"type\":\"InternalServerError\",\"code\":500}}\n\n"
                                + (node.random().nextBoolean() ? "data: [DONE]\n\n" : ""));
            }
            end(stream);
        } else if (position < tokens) {
            boolean isLast = position == tokens - 1;
            String event = "data: {" + head()
                    + choices(token(stream.prompt(), seed(), position), stream.run(), isLast ? "\"length\"" : "null")
                    + "}\n\n";
            send(event);
            host.after(node.traits().tokenNs(), "token", () -> stream(stream, position + 1));
        } else {
            if (body.path("stream_options").path("include_usage").asBoolean(false)) {
                send("data: {" + head() + "\"choices\":[]" + usage() + "}\n\n");
            }
            send("data: [DONE]\n\n");
            end(stream);
        }
    }

    private void end(Stream stream) {
        if (stream.saysRecomputed()) {
            exchange.responseTrailer(RECOMPUTED, "no KV");
        }
        exchange.end();
    }

    private void send(String events) {
        byte[] all = bytes(events);
        int most = node.traits().pieceBytes();
        for (int from = 0; from < all.length; ) {
            int length = Math.min(all.length - from, 1 + node.random().nextInt(most));
            exchange.send(Arrays.copyOfRange(all, from, from + length));
            from += length;
        }
    }

    private String head() {
        return "\"id\":\"cmpl-" + exchange.header("X-Request-Id").orElse("") + "\",\"object\":\"text_completion\",";
    }

    private static String choices(String text, int run, String finish) {
        return "\"choices\":[{\"index\":0,\"text\":\"" + text + "\",\"run\":" + run + ",\"finish_reason\":" + finish
                + "}]";
    }

    private String usage() {
        return ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":" + tokens + ",\"total_tokens\":" + (tokens + 3)
                + "}";
    }

    private String text(String prompt) {
        List<String> all = new ArrayList<>();
        for (int position = 0; position < tokens; position++) {
            all.add(token(prompt, seed(), position));
        }
        return String.join("", all);
    }

    private long seed() {
        return body.path("seed").asLong(0);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
