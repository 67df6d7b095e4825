package dev.tandem.ops.verify;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * A generated answer, whole or streamed.
 *
 * @param output what was generated
 * @param problem why there is none
 * @param times as the client saw them
 * @param usage the reply's usage object; an empty object when there was none
 * @param disaggregated what the gateway's header says
 */
public record Completion(
        Output output, Optional<String> problem, Times times, JsonNode usage, Optional<String> disaggregated) {
    /**
     * What was generated.
     *
     * @param text all of it
     * @param tokenIds where the server reports them; else empty
     */
    public record Output(String text, List<Integer> tokenIds) {
        public Output {
            tokenIds = List.copyOf(tokenIds);
        }
    }

    /**
     * Nanoseconds from sending.
     *
     * @param tokenNs of each piece of output; of an answer in one piece empty
     * @param totalNs to the end
     */
    public record Times(List<Long> tokenNs, long totalNs) {
        public Times {
            tokenNs = List.copyOf(tokenNs);
        }

        /** To the first piece of output; 0 when there is none. */
        public long firstTokenNs() {
            return tokenNs.isEmpty() ? 0 : tokenNs.getFirst();
        }
    }

    /** Whether the answer came, with a prompt that another node computed. */
    public boolean isWell() {
        return problem.isEmpty() && prefill().equals("remote");
    }

    /** {@code remote}, {@code local}, or empty where the node does not say where the prompt was computed. */
    String prefill() {
        return usage.path("tandem").path("prefill").asString("");
    }

    int promptTokens() {
        return usage.path("prompt_tokens").asInt(0);
    }

    int completionTokens() {
        return usage.path("completion_tokens").asInt(output.tokenIds().size());
    }

    /** Prompt tokens that a prefix cache had; 0 also where the node does not say. */
    int cachedTokens() {
        return usage.path("prompt_tokens_details").path("cached_tokens").asInt(0);
    }

    /** One line: tokenize, prefill, handoff, first token, speed. */
    public String timeline() {
        JsonNode tandem = usage.path("tandem");
        int tokens = usage.path("completion_tokens").asInt(0);
        double decodeSeconds = Math.max(1e-9, (times.totalNs() - times.firstTokenNs()) / 1e9);
        String handoff = prefill().equals("remote")
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

    /** The answer as plain values, for JSON lines. */
    public Map<String, Object> toMap() {
        var map = new LinkedHashMap<String, Object>();
        map.put("answer", output.text());
        problem.ifPresent(reason -> map.put("problem", reason));
        map.put("first_token_ms", times.firstTokenNs() / 1e6);
        map.put("total_ms", times.totalNs() / 1e6);
        map.put("disaggregated", disaggregated.orElse("unknown"));
        map.put("timeline", timeline());
        return map;
    }
}
