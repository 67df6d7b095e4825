package dev.tandem.ops.verify;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A node as vLLM-Ascend v0.11 shows itself: its pages, its metric names, a ticket for who asks for one, and an answer that is a function
 * of the prompt; and its faults, where a test wants them.
 */
final class ForeignNode implements AutoCloseable {
    /** What is wrong with it. */
    enum Fault {
        /** Other tokens when the KV comes from elsewhere. */
        WRONG_TOKENS_AFTER_HANDOFF,
        /** Blocks that were lent stay taken. */
        KEEPS_BLOCKS,
        /** Ignores {@code return_token_ids}. */
        TELLS_NO_IDS,
        /** The model has no chat template. */
        NO_TEMPLATE,
        /** Shows no metrics. */
        NO_METRICS,
        /** Takes a ticket for granted and computes the prompt itself. */
        GIVES_NO_TICKET,
        /** Remembers every prompt, and says so in its metrics only. */
        CACHES_PROMPTS,
        /** Answers every completion with a 500. */
        BROKEN,
        /** Streams end without their last event. */
        CUTS_STREAMS,
        /** Has no page of models and none of health. */
        BARE,
    }

    private static final String HOST = "127.0.25.10";
    private static final int BLOCKS = 100;

    private final HttpServer server;
    private final Set<Fault> faults = EnumSet.noneOf(Fault.class);
    private final Set<String> prompts = new HashSet<>();
    private final AtomicInteger promptTokens = new AtomicInteger();
    private final AtomicInteger cacheHits = new AtomicInteger();
    private final AtomicInteger heldBlocks = new AtomicInteger();

    private ForeignNode(Fault... faults) {
        for (Fault fault : faults) {
            this.faults.add(fault);
        }
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getByName(HOST), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::answer);
        server.start();
    }

    static ForeignNode with(Fault... faults) {
        return new ForeignNode(faults);
    }

    int port() {
        return server.getAddress().getPort();
    }

    String address() {
        return HOST + ":" + port();
    }

    static String host() {
        return HOST;
    }

    private boolean has(Fault fault) {
        return faults.contains(fault);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            boolean isBare = has(Fault.BARE);
            switch (exchange.getRequestURI().getPath()) {
                case "/health" -> send(exchange, isBare ? 404 : 200, "");
                case "/version" -> send(exchange, 200, "{\"version\":\"0.11.0\"}");
                case "/v1/models" ->
                    send(
                            exchange,
                            isBare ? 404 : 200,
                            "{\"object\":\"list\",\"data\":[{\"id\":\"foreign\",\"max_model_len\":4096}]}");
                case "/metrics" -> send(exchange, has(Fault.NO_METRICS) ? 404 : 200, metrics());
                case "/v1/completions" -> generate(exchange, body, false);
                case "/v1/chat/completions" -> generate(exchange, body, true);
                default -> send(exchange, 404, "{\"detail\":\"Not Found\"}");
            }
        }
    }

    private String metrics() {
        return """
                # HELP vllm:num_requests_running Number of requests in model execution batches.
                # TYPE vllm:num_requests_running gauge
                vllm:num_requests_running{engine="0",model_name="foreign"} 0.0
                vllm:kv_cache_usage_perc{engine="0",model_name="foreign"} %s
                vllm:prompt_tokens_total{engine="0",model_name="foreign"} %d
                vllm:prefix_cache_hits_total{engine="0",model_name="foreign"} %d
                """.formatted(heldBlocks.get() / (double) BLOCKS, promptTokens.get(), cacheHits.get());
    }

    private void generate(HttpExchange exchange, String text, boolean isChat) throws IOException {
        JsonNode body = JsonMapper.shared().readTree(text);
        if (has(Fault.BROKEN)) {
            send(exchange, 500, "{\"error\":{\"message\":\"EngineCore died\",\"code\":500}}");
            return;
        }
        if (isChat && has(Fault.NO_TEMPLATE)) {
            send(exchange, 400, "{\"error\":{\"message\":\"you must provide a chat template\",\"code\":400}}");
            return;
        }
        String prompt =
                isChat ? body.path("messages").toString() : body.path("prompt").asString("");
        promptTokens.addAndGet(prompt.length());
        synchronized (prompts) {
            if (has(Fault.CACHES_PROMPTS) && !prompts.add(prompt)) {
                cacheHits.addAndGet(prompt.length());
            }
        }
        JsonNode params = body.path("kv_transfer_params");
        if (params.path("do_remote_decode").asBoolean(false)) {
            lend(exchange, prompt);
            return;
        }
        int shift = params.path("do_remote_prefill").asBoolean(false) && has(Fault.WRONG_TOKENS_AFTER_HANDOFF) ? 1 : 0;
        int tokens = body.path("max_tokens").asInt(16);
        if (body.path("stream").asBoolean(false)) {
            stream(exchange, prompt, tokens, isChat);
        } else {
            send(
                    exchange,
                    200,
                    whole(prompt, tokens, shift, body.path("return_token_ids").asBoolean(false)));
        }
    }

    private void lend(HttpExchange exchange, String prompt) throws IOException {
        if (has(Fault.KEEPS_BLOCKS)) {
            heldBlocks.incrementAndGet();
        }
        ObjectNode reply = reply(prompt, 1);
        reply.putArray("choices").addObject().put("index", 0).put("text", "x").put("finish_reason", "length");
        if (!has(Fault.GIVES_NO_TICKET)) {
            reply.putObject("kv_transfer_params")
                    .put("do_remote_prefill", true)
                    .put("do_remote_decode", false)
                    .put("remote_engine_id", "p0")
                    .put("remote_host", HOST)
                    .put("remote_port", 30_000)
                    .putArray("remote_block_ids")
                    .add(1);
        }
        send(exchange, 200, reply.toString());
    }

    private static ObjectNode reply(String prompt, int tokens) {
        ObjectNode reply = JsonNodeFactory.instance.objectNode().put("id", "cmpl-1");
        reply.putObject("usage")
                .put("prompt_tokens", prompt.length())
                .put("completion_tokens", tokens)
                .put("total_tokens", prompt.length() + tokens);
        return reply;
    }

    private static int token(String prompt, int at) {
        return Math.floorMod(prompt.hashCode() + 31 * at, 1000);
    }

    private String whole(String prompt, int tokens, int shift, boolean asksForIds) {
        ObjectNode reply = reply(prompt, tokens);
        ObjectNode choice = reply.putArray("choices").addObject().put("index", 0);
        var text = new StringBuilder();
        var ids = JsonNodeFactory.instance.arrayNode();
        for (int at = 0; at < tokens; at++) {
            int id = token(prompt, at) + (at >= 2 ? shift : 0);
            ids.add(id);
            text.append(id).append(' ');
        }
        choice.put("text", text.toString()).put("finish_reason", "length");
        if (asksForIds && !has(Fault.TELLS_NO_IDS)) {
            choice.set("token_ids", ids);
        }
        return reply.toString();
    }

    private void stream(HttpExchange exchange, String prompt, int tokens, boolean isChat) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        for (int at = 0; at < tokens; at++) {
            String piece = token(prompt, at) + " ";
            ObjectNode event = JsonNodeFactory.instance.objectNode().put("id", "cmpl-1");
            ObjectNode choice = event.putArray("choices").addObject().put("index", 0);
            if (isChat) {
                choice.putObject("delta").put("content", piece);
            } else {
                choice.put("text", piece);
            }
            event(exchange, event.toString());
        }
        ObjectNode usage = reply(prompt, tokens);
        usage.putArray("choices");
        event(exchange, usage.toString());
        if (!has(Fault.CUTS_STREAMS)) {
            event(exchange, "[DONE]");
        }
    }

    private static void event(HttpExchange exchange, String data) throws IOException {
        exchange.getResponseBody().write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        exchange.getResponseBody().flush();
    }

    private static void send(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        if (body.startsWith("{")) {
            exchange.getResponseHeaders().set("Content-Type", "application/json");
        }
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        if (bytes.length > 0) {
            exchange.getResponseBody().write(bytes);
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
