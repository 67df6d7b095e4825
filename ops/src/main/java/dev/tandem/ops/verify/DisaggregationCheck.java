package dev.tandem.ops.verify;

import dev.tandem.ops.verify.Row.Check;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import tools.jackson.databind.JsonNode;

/**
 * Whether the prompt of one answer was computed by another node than the one that answered, and what moved: told by the node's usage,
 * else by the gateway's header, else by what grew on the nodes' metrics pages. Pure.
 *
 * @param answer of a prompt that no cache had
 * @param path how KV moves, where somebody says
 * @param prefill metrics of each prefill node
 * @param decode metrics of each decode node
 */
record DisaggregationCheck(Completion answer, Optional<String> path, List<Grown> prefill, List<Grown> decode) {
    /** A node's metrics before and after the request. */
    record Grown(MetricsSample before, MetricsSample after) {}

    Row judge() {
        if (!answer.prefill().isEmpty()) {
            return ofUsage(answer.usage().path("tandem"));
        }
        Optional<String> header = answer.disaggregated();
        if (header.isPresent() && !header.get().equals("true")) {
            return Row.failed(Check.DISAGGREGATION, "the gateway says: " + header.get());
        }
        OptionalDouble bytes = grown(decode, "tandem:handoff_bytes_total", "vllm:nixl_bytes_transferred_sum");
        if (bytes.orElse(0) > 0) {
            return ofBytes(bytes.getAsDouble());
        }
        OptionalDouble external = grown(decode, "vllm:external_prefix_cache_hits_total");
        if (external.orElse(0) > 0) {
            return Row.ok(
                    Check.DISAGGREGATION,
                    Math.round(external.getAsDouble())
                            + " prompt tokens came from outside of the decode node; bytes and speed are not reported");
        }
        return ofPrefillNodes(header.isPresent(), grown(prefill, "vllm:prompt_tokens_total"));
    }

    private Row ofUsage(JsonNode tandem) {
        if (!answer.prefill().equals("remote")) {
            return Row.failed(
                    Check.DISAGGREGATION,
                    "the decode node computed the prompt itself: "
                            + tandem.path("recompute_reason")
                                    .asString(answer.disaggregated().orElse("it does not say why")));
        }
        long bytes = tandem.path("handoff_bytes").asLong(0);
        double millis = tandem.path("handoff_ms").asDouble(0);
        int tokens = tandem.path("remote_tokens").asInt(0);
        if (bytes <= 0) {
            return Row.failed(Check.DISAGGREGATION, tokens + " prompt tokens are said to be remote, but no byte moved");
        }
        double megabytes = millis > 0 ? bytes / 1e3 / millis : 0;
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("bytes", bytes);
        values.put("milliseconds", millis);
        values.put("megabytes_per_second", megabytes);
        values.put("remote_tokens", tokens);
        values.put("path", path.orElse("unknown"));
        return Row.ok(
                Check.DISAGGREGATION,
                String.format(
                        Locale.ROOT,
                        "%,d bytes of %d prompt tokens by %s in %.1f ms, %.1f MB/s",
                        bytes,
                        tokens,
                        path.orElse("a path that nobody reports"),
                        millis,
                        megabytes),
                values);
    }

    private Row ofBytes(double bytes) {
        OptionalDouble seconds = grown(decode, "vllm:nixl_xfer_time_seconds_sum");
        String speed = seconds.orElse(0) > 0
                ? String.format(
                        Locale.ROOT,
                        " in %.1f ms, %.1f MB/s",
                        seconds.getAsDouble() * 1e3,
                        bytes / 1e6 / seconds.getAsDouble())
                : "; the speed is not reported";
        return Row.ok(
                Check.DISAGGREGATION,
                String.format(Locale.ROOT, "%,.0f bytes came to the decode node, says its metrics page", bytes) + speed,
                Map.of("bytes", (long) bytes));
    }

    private Row ofPrefillNodes(boolean isSaidByGateway, OptionalDouble computed) {
        String unseen = "bytes, path and speed are reported by neither reply nor metrics";
        boolean hasComputed = computed.orElse(0) > 0 && computed.getAsDouble() >= answer.promptTokens();
        if (computed.isPresent() && !hasComputed) {
            return Row.failed(
                    Check.DISAGGREGATION,
                    "no prefill node has computed the prompt: of " + answer.promptTokens()
                            + " tokens their metrics show " + Math.round(computed.getAsDouble()));
        }
        if (computed.isPresent()) {
            return Row.ok(
                    Check.DISAGGREGATION,
                    "a prefill node computed the " + answer.promptTokens() + " prompt tokens"
                            + (isSaidByGateway ? ", the gateway gave the decode node its ticket" : "") + "; " + unseen);
        }
        return isSaidByGateway
                ? Row.ok(
                        Check.DISAGGREGATION,
                        "the gateway gave the decode node the ticket of a prefill node; " + unseen)
                : Row.notSeen(
                        Check.DISAGGREGATION,
                        "neither usage.tandem nor a header of the gateway, nor metrics of the prefill nodes (give their"
                                + " addresses with --nodes prefill=HOST:PORT)");
    }

    /** Growth of the first of these counters that the nodes show, over all of them. */
    private static OptionalDouble grown(List<Grown> nodes, String... names) {
        for (String name : names) {
            double sum = 0;
            boolean isShown = false;
            for (Grown node : nodes) {
                OptionalDouble growth = node.after().growth(node.before(), name);
                isShown |= growth.isPresent();
                sum += growth.orElse(0);
            }
            if (isShown) {
                return OptionalDouble.of(sum);
            }
        }
        return OptionalDouble.empty();
    }
}
