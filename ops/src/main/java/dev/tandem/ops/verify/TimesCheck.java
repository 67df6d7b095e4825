package dev.tandem.ops.verify;

import dev.tandem.ops.verify.Row.Check;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** First-token and between-token times of a stream, as a client sees them. Pure. */
final class TimesCheck {
    private TimesCheck() {}

    static List<Row> judge(Completion streamed) {
        List<Long> tokenNs = streamed.times().tokenNs();
        if (streamed.problem().isPresent() || tokenNs.isEmpty()) {
            return List.of(
                    Row.notSeen(Check.FIRST_TOKEN, "no stream with output has come to its end"),
                    Row.notSeen(Check.BETWEEN_TOKENS, "no stream with output has come to its end"));
        }
        double firstMs = tokenNs.getFirst() / 1e6;
        Row first = Row.ok(
                Check.FIRST_TOKEN,
                String.format(Locale.ROOT, "%.1f ms", firstMs)
                        + (streamed.cachedTokens() > 0
                                ? ", with " + streamed.cachedTokens() + " of " + streamed.promptTokens()
                                        + " prompt tokens from a prefix cache"
                                : ""),
                Map.of("milliseconds", firstMs));
        return List.of(first, between(streamed, tokenNs));
    }

    /** A server may send several tokens at once: the mean is over tokens where they are counted, the longest gap over events. */
    private static Row between(Completion streamed, List<Long> tokenNs) {
        int tokens = Math.max(streamed.completionTokens(), tokenNs.size());
        if (tokenNs.size() < 2) {
            return Row.notSeen(Check.BETWEEN_TOKENS, tokens + " tokens came in one event: there is nothing between");
        }
        long longestNs = 0;
        for (int i = 1; i < tokenNs.size(); i++) {
            longestNs = Math.max(longestNs, tokenNs.get(i) - tokenNs.get(i - 1));
        }
        double meanMs = (tokenNs.getLast() - tokenNs.getFirst()) / 1e6 / (tokens - 1);
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("mean_ms", meanMs);
        values.put("longest_ms", longestNs / 1e6);
        values.put("tokens", tokens);
        return Row.ok(
                Check.BETWEEN_TOKENS,
                String.format(
                        Locale.ROOT,
                        "mean %.1f ms, longest %.1f ms, %d tokens in %d events",
                        meanMs,
                        longestNs / 1e6,
                        tokens,
                        tokenNs.size()),
                values);
    }
}
