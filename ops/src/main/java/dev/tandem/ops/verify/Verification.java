package dev.tandem.ops.verify;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The guides' verification request, "Who are you?" at temperature 0, sent through a gateway as a stream so that the first token can be
 * timed.
 *
 * @param gateway where to send it
 * @param model served name
 * @param apiKey where the nodes ask for one
 */
public record Verification(Endpoint gateway, String model, Optional<String> apiKey) {
    /** The guides' question. */
    public static final String PROMPT = "Who are you?";

    private static final int MAX_TOKENS = 100;
    private static final Duration TIMEOUT = Duration.ofMinutes(2);

    /**
     * What came back.
     *
     * @param text the completion
     * @param problem why there is none
     * @param times as the client saw them
     * @param usage the reply's usage object; empty object when there was none
     * @param isDisaggregated what the gateway's header says
     */
    public record Answer(
            String text, Optional<String> problem, Times times, JsonNode usage, Optional<String> isDisaggregated) {
        /** From sending to the first token and to the end, nanoseconds. */
        public record Times(long firstTokenNs, long totalNs) {}

        /** Whether the completion came, with a prompt that another node computed. */
        public boolean isWell() {
            return problem.isEmpty()
                    && usage.path("tandem").path("prefill").asString("").equals("remote");
        }

        /** One line: tokenize, prefill, handoff, first token, speed. */
        public String timeline() {
            JsonNode tandem = usage.path("tandem");
            int tokens = usage.path("completion_tokens").asInt(0);
            double decodeSeconds = Math.max(1e-9, (times.totalNs() - times.firstTokenNs()) / 1e9);
            String handoff = tandem.path("prefill").asString("").equals("remote")
                    ? String.format(
                            Locale.ROOT,
                            "handoff %,d bytes in %.1f ms",
                            tandem.path("handoff_bytes").asLong(0),
                            tandem.path("handoff_ms").asDouble(0))
                    : "no handoff: "
                            + tandem.path("recompute_reason").asString("the prompt was computed on the decode node");
            return String.format(
                    Locale.ROOT,
                    "tokenize %.1f ms · prefill %.1f ms · %s · first token %.1f ms · %.1f tokens/s (%d tokens)",
                    tandem.path("remote_tokenize_ms")
                            .asDouble(tandem.path("tokenize_ms").asDouble(0)),
                    tandem.path("remote_prefill_ms")
                            .asDouble(tandem.path("prefill_ms").asDouble(0)),
                    handoff,
                    times.firstTokenNs() / 1e6,
                    tokens > 1 ? (tokens - 1) / decodeSeconds : 0.0,
                    tokens);
        }

        /** The same as plain values, for JSON lines. */
        public Map<String, Object> toMap() {
            var map = new LinkedHashMap<String, Object>();
            map.put("event", "verification");
            map.put("ok", isWell());
            map.put("prompt", PROMPT);
            map.put("answer", text);
            problem.ifPresent(reason -> map.put("problem", reason));
            map.put("first_token_ms", times.firstTokenNs() / 1e6);
            map.put("total_ms", times.totalNs() / 1e6);
            map.put("disaggregated", isDisaggregated.orElse("unknown"));
            map.put("timeline", timeline());
            return map;
        }
    }

    /** The command line that repeats the request. */
    public String curl() {
        String key = apiKey.map(k -> " -H 'Authorization: Bearer " + k + "'").orElse("");
        return "curl -s http://" + gateway + "/v1/completions -H 'Content-Type: application/json'" + key + " -d '"
                + body() + "'";
    }

    private ObjectNode body() {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.put("model", model);
        body.put("prompt", PROMPT);
        body.put("max_tokens", MAX_TOKENS);
        body.put("temperature", 0);
        return body;
    }

    /** Sends the request and reads the stream to its end; a failure is part of the answer. Completes {@code answer} in any case. */
    public void ask(CompletableFuture<Answer> answer) {
        try {
            answer.complete(ask());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            answer.completeExceptionally(e);
        } catch (RuntimeException e) {
            answer.completeExceptionally(e);
        }
    }

    private Answer ask() throws InterruptedException {
        ObjectNode body = body();
        body.put("stream", true);
        body.putObject("stream_options").put("include_usage", true);
        HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create("http://" + gateway + "/v1/completions"))
                .header("Content-Type", "application/json")
                .timeout(TIMEOUT)
                .POST(HttpRequest.BodyPublishers.ofString(body.toString()));
        apiKey.ifPresent(key -> builder.header("Authorization", "Bearer " + key));
        HttpRequest request = builder.build();
        long sentNs = System.nanoTime();
        try (HttpClient client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(5))
                .build()) {
            HttpResponse<java.io.InputStream> response =
                    client.send(request, HttpResponse.BodyHandlers.ofInputStream());
            try (var lines = new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
                if (response.statusCode() != 200) {
                    return failed("status " + response.statusCode() + ": " + lines.readLine(), sentNs);
                }
                Optional<String> header = response.headers().firstValue("x-tandem-disaggregated");
                return read(lines, sentNs, header);
            }
        } catch (IOException e) {
            return failed(String.valueOf(e), sentNs);
        }
    }

    private Answer read(BufferedReader lines, long sentNs, Optional<String> header) throws IOException {
        var text = new StringBuilder();
        long firstNs = 0;
        JsonNode usage = JsonNodeFactory.instance.objectNode();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (!line.startsWith("data: ")) {
                continue;
            }
            if (line.equals("data: [DONE]")) {
                long totalNs = System.nanoTime() - sentNs;
                return new Answer(text.toString(), Optional.empty(), new Answer.Times(firstNs, totalNs), usage, header);
            }
            JsonNode event;
            try {
                event = JsonMapper.shared().readTree(line.substring("data: ".length()));
            } catch (JacksonException e) {
                return failed("an event is no JSON: " + line, sentNs);
            }
            if (event.has("error")) {
                return failed(event.path("error").toString(), sentNs);
            }
            if (firstNs == 0 && !event.path("choices").isEmpty()) {
                firstNs = System.nanoTime() - sentNs;
            }
            text.append(event.path("choices").path(0).path("text").asString(""));
            if (event.path("usage").isObject()) {
                usage = event.path("usage");
            }
        }
        return failed("the stream ended without [DONE]", sentNs);
    }

    private static Answer failed(String problem, long sentNs) {
        return new Answer(
                "",
                Optional.of(problem),
                new Answer.Times(0, System.nanoTime() - sentNs),
                JsonNodeFactory.instance.objectNode(),
                Optional.empty());
    }
}
