package dev.tandem.ops.verify;

import dev.tandem.api.OneLine;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * What one check has seen.
 *
 * @param check which
 * @param status how it ended
 * @param figure what was seen, with its figure; or why nothing was
 * @param values the figure as plain values, for JSON; may be empty
 */
public record Row(Check check, Status status, String figure, Map<String, Object> values) {
    /** The checks, in the order in which they are made. */
    public enum Check {
        /** The health pages and how many nodes stand behind them. */
        HEALTH,
        /** The name that requests use. */
        MODELS,
        /** The question, streamed. */
        STREAM,
        /** The question as the guides ask it; the same text as streamed. */
        COMPLETION,
        /** A streamed chat. */
        CHAT,
        /** From sending to the first output. */
        FIRST_TOKEN,
        /** Between two pieces of output. */
        BETWEEN_TOKENS,
        /** KV moved from a prefill to a decode node. */
        DISAGGREGATION,
        /** Aggregated and disaggregated give the same tokens. */
        TOKENS,
        /** The prefill nodes hold no blocks afterwards. */
        BLOCKS;

        /** In lower case with hyphens. */
        public String word() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /** How a check ended. */
    public enum Status {
        /** The subject was seen and is as it should be. */
        OK("OK"),
        /** The subject was seen and is not as it should be. */
        FAILED("FAILED"),
        /** The subject could not be seen; the figure says why. */
        NOT_SEEN("NOT SEEN");

        private final String word;

        Status(String word) {
            this.word = word;
        }

        /** The status as it is shown. */
        public String word() {
            return word;
        }
    }

    public Row {
        figure = OneLine.of(figure);
        values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    static Row ok(Check check, String figure) {
        return new Row(check, Status.OK, figure, Map.of());
    }

    static Row ok(Check check, String figure, Map<String, Object> values) {
        return new Row(check, Status.OK, figure, values);
    }

    static Row failed(Check check, String figure) {
        return new Row(check, Status.FAILED, figure, Map.of());
    }

    static Row notSeen(Check check, String figure) {
        return new Row(check, Status.NOT_SEEN, figure, Map.of());
    }

    /** The row as one JSON object of plain values. */
    public Map<String, Object> toMap() {
        var map = new LinkedHashMap<String, Object>();
        map.put("event", "check");
        map.put("check", check.word());
        map.put("status", status.word().toLowerCase(Locale.ROOT).replace(' ', '-'));
        map.put("figure", figure);
        map.putAll(values);
        return map;
    }

    /** The row as one line of text. */
    public String line() {
        return String.format(Locale.ROOT, "%-15s %-9s %s", check.word(), status.word(), figure);
    }
}
