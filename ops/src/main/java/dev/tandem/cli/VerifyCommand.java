package dev.tandem.cli;

import dev.tandem.api.openai.PlainJson;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.verify.ClusterNode;
import dev.tandem.ops.verify.Report;
import dev.tandem.ops.verify.Row;
import dev.tandem.ops.verify.Row.Status;
import dev.tandem.ops.verify.Target;
import dev.tandem.ops.verify.Verification;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** {@code tandem verify URL}: the verification of the guides, row by row. */
final class VerifyCommand implements Main.Verb {
    private static final Set<String> VALUES = Set.of("--model", "--api-key", "--prompt", "--deadline");
    private static final int MOST_SECONDS = 86_400;

    private static final String USAGE = """
            usage: tandem verify URL [--model M] [--api-key K] [--prompt TEXT] [--nodes HOST:PORT…] [--deadline SECONDS] [--json]

              URL         a gateway, a proxy or a node: HOST:PORT or http://HOST:PORT
              --model     served name (default: the first that /v1/models lists)
              --api-key   sent as bearer, to the nodes too
              --prompt    the question (default: Who are you?)
              --nodes     nodes behind a proxy that does not list them: HOST:PORT, prefill=HOST:PORT or decode=HOST:PORT
              --deadline  longest wait for one answer (default 120)
              --json      one JSON object a line instead of text

            Each row is OK, FAILED or NOT SEEN (with the reason). Exit status: 0 nothing failed, 1 something failed, 2 wrong words.
            """;

    @Override
    public String summary() {
        return "verify a running cluster: same tokens, KV really moved, times, nothing left behind";
    }

    @Override
    public int run(List<String> words) throws InterruptedException {
        if (words.contains("--help") || words.contains("-h")) {
            System.out.print(USAGE);
            return Exit.WELL;
        }
        boolean isJson = words.contains("--json");
        Report report = verification(words).run(row -> show(row, isJson));
        if (isJson) {
            var summary = new LinkedHashMap<String, Object>();
            summary.put("event", "verified");
            summary.put("well", report.isWell());
            for (Status status : Status.values()) {
                summary.put(status.name().toLowerCase(Locale.ROOT), report.count(status));
            }
            System.out.println(PlainJson.tree(summary));
        } else {
            System.out.println(report.count(Status.OK) + " OK, " + report.count(Status.FAILED) + " failed, "
                    + report.count(Status.NOT_SEEN) + " not seen");
        }
        return report.isWell() ? Exit.WELL : Exit.FAILED;
    }

    private static void show(Row row, boolean isJson) {
        System.out.println(isJson ? PlainJson.tree(row.toMap()).toString() : row.line());
    }

    /** Reads the command line; refuses what it does not know. */
    static Verification verification(List<String> words) {
        var urls = new ArrayList<String>();
        var nodes = new ArrayList<ClusterNode>();
        Map<String, String> values = new HashMap<>();
        boolean isInNodes = false;
        for (int i = 0; i < words.size(); i++) {
            String word = words.get(i);
            if (VALUES.contains(word) && i + 1 < words.size()) {
                values.put(word, words.get(++i));
                isInNodes = false;
            } else if (word.equals("--nodes") || word.equals("--json")) {
                isInNodes = word.equals("--nodes");
            } else if (word.startsWith("-")) {
                throw new FlagException(
                        (VALUES.contains(word) ? word + " needs a value" : "unknown flag " + word) + "\n" + USAGE);
            } else if (isInNodes) {
                nodes.add(address("--nodes", word, ClusterNode::parse));
            } else {
                urls.add(word);
            }
        }
        if (urls.size() != 1) {
            throw new FlagException("give one URL, not " + urls + "\n" + USAGE);
        }
        return new Verification(
                address("URL", urls.getFirst(), Target::parse),
                new Verification.Question(
                        Optional.ofNullable(values.get("--model")),
                        Optional.ofNullable(values.get("--api-key")),
                        values.getOrDefault("--prompt", Verification.PROMPT)),
                nodes,
                limits(values));
    }

    private static <T> T address(String flag, String word, Function<String, T> reader) {
        try {
            return reader.apply(word);
        } catch (IllegalArgumentException e) {
            throw new FlagException(flag + ": " + e.getMessage());
        }
    }

    private static Verification.Limits limits(Map<String, String> values) {
        String text = values.getOrDefault("--deadline", "120");
        try {
            int seconds = Integer.parseInt(text);
            if (seconds >= 1 && seconds <= MOST_SECONDS) {
                return new Verification.Limits(Duration.ofSeconds(seconds), Verification.Limits.DEFAULT.blocks());
            }
        } catch (NumberFormatException e) {
            throw new FlagException("--deadline must be a whole number of seconds, not " + text);
        }
        throw new FlagException("--deadline " + text + " is outside [1, " + MOST_SECONDS + "]");
    }
}
