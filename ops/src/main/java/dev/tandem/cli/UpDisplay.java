package dev.tandem.cli;

import dev.tandem.api.OneLine;
import dev.tandem.api.openai.PlainJson;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.verify.Completion;
import dev.tandem.ops.verify.Report;
import dev.tandem.ops.verify.Verification;
import dev.tandem.preflight.Finding;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/** What {@code up} shows: a live line for each process on a terminal, plain lines elsewhere, JSON lines on request. Used by one thread but for {@link #silence}. */
final class UpDisplay {
    private final PrintStream out;
    private final boolean isJson;
    private final boolean isLive;
    private final LiveLines live;
    private String lastStages = "";
    private boolean hasReportedDeath;
    /** Set by the shutdown hook: from then on processes end because they were asked to. */
    private volatile boolean isSilent;

    private UpDisplay(PrintStream out, boolean isJson, boolean isLive) {
        this.out = out;
        this.isJson = isJson;
        this.isLive = isLive;
        this.live = new LiveLines(out);
    }

    static UpDisplay of(boolean isJson, boolean isTerminal) {
        return new UpDisplay(System.out, isJson, isTerminal && !isJson);
    }

    /** What was looked at before anything starts; what is well is only counted. */
    void checked(List<Finding> findings) {
        long warnings = findings.stream()
                .filter(finding -> finding.severity() == Finding.Severity.WARNING)
                .count();
        long errors = findings.stream().filter(Finding::isError).count();
        for (Finding finding : findings) {
            if (finding.isError() || finding.severity() == Finding.Severity.WARNING) {
                String fix = finding.fix().isEmpty() ? "" : " -> " + finding.fix();
                line(
                        finding.severity().name().toLowerCase(Locale.ROOT),
                        (finding.isError() ? "ERROR " : "warning ") + finding.subject() + ": " + finding.found() + fix);
            }
        }
        line("checked", "checked arguments, ports and memory: " + warnings + " warnings, " + errors + " errors");
    }

    /** What is waited for, and how long. */
    void waiting(List<Child> children) {
        if (isLive) {
            live.draw(children.stream().map(UpDisplay::progress).toList());
            return;
        }
        var stages = new StringBuilder();
        for (Child child : children) {
            if (child.report().isEmpty()) {
                stages.append(stages.isEmpty() ? "" : ", ")
                        .append(child.plan().name())
                        .append(" (")
                        .append(child.stage())
                        .append(')');
            }
        }
        if (!stages.toString().equals(lastStages) && !stages.isEmpty()) {
            lastStages = stages.toString();
            line("waiting", "waiting for " + stages);
        }
    }

    private static String progress(Child child) {
        String name = String.format(Locale.ROOT, "%-12s ", child.plan().name());
        return child.report().isPresent()
                ? name + "ready"
                : name + String.format(Locale.ROOT, "%5.1f s  %s", child.ageNs() / 1e9, child.stage());
    }

    void ready(List<Child> children) {
        live.clear();
        long longest = children.stream().mapToLong(Child::ageNs).max().orElse(0);
        line("ready", String.format(Locale.ROOT, "%d processes ready in %.1f s", children.size(), longest / 1e9));
    }

    /** Nodes with role, address, model and KV blocks. */
    void table(List<Child> children) {
        if (!isJson) {
            out.printf("%n%-12s %-9s %-18s %-26s %-24s %s%n", "NAME", "ROLE", "ADDRESS", "MODEL", "KV BLOCKS", "PID");
        }
        for (Child child : children) {
            JsonNode report = child.report().orElseThrow();
            if (isJson) {
                var map = new LinkedHashMap<String, Object>();
                map.put("event", "node");
                map.put("name", child.plan().name());
                map.put("pid", child.pid());
                report.properties()
                        .forEach(
                                entry -> map.put(entry.getKey(), dev.tandem.api.openai.Fields.plain(entry.getValue())));
                out.println(PlainJson.tree(map));
            } else {
                String blocks = report.has("kv_blocks")
                        ? report.path("kv_blocks").asInt() + " x "
                                + report.path("block_size").asInt() + " tokens, "
                                + report.path("kv_dtype").asString("")
                        : "-";
                out.printf(
                        "%-12s %-9s %-18s %-26s %-24s %d%n",
                        child.plan().name(),
                        child.plan().role(),
                        address(child),
                        report.path("model").asString("-"),
                        blocks,
                        child.pid());
            }
        }
        if (!isJson) {
            out.println();
        }
    }

    private static String address(Child child) {
        Endpoint http = child.plan().http();
        return http.port() == 0 ? http.host() + " headless" : http.toString();
    }

    /** Nothing that happens from now on is news. Any thread. */
    void silence() {
        isSilent = true;
    }

    boolean hasReportedDeath() {
        return hasReportedDeath;
    }

    void died(Child child, int tailLines) {
        if (isSilent) {
            return;
        }
        hasReportedDeath = true;
        live.clear();
        String what = child.plan().name() + " (pid " + child.pid() + ") ended with status " + child.exitStatus();
        List<String> tail = child.logTail(tailLines);
        if (isJson) {
            out.println(PlainJson.tree(Map.of("event", "died", "message", what, "log", tail)));
            return;
        }
        out.println(what + "; the last lines of its log:");
        tail.forEach(line -> out.println("    " + OneLine.of(line)));
    }

    /** The answer, its timeline, what was checked, and the command that repeats the request. */
    void report(Report report, String curl) {
        Completion answer = report.answer();
        if (isJson) {
            report.rows().forEach(row -> out.println(PlainJson.tree(row.toMap())));
            var map = new LinkedHashMap<String, Object>();
            map.put("event", "verification");
            map.put("ok", report.isWell() && report.isDisaggregated());
            map.put("prompt", Verification.PROMPT);
            map.putAll(answer.toMap());
            out.println(PlainJson.tree(map));
            return;
        }
        Optional<String> problem = answer.problem();
        if (problem.isPresent()) {
            out.println("The verification request failed: " + OneLine.of(problem.get()));
        } else {
            out.println("> " + Verification.PROMPT);
            answer.output().text().strip().lines().forEach(line -> out.println(OneLine.of(line)));
            out.println();
            out.println(answer.timeline());
        }
        out.println();
        report.rows().forEach(row -> out.println(row.line()));
        out.println();
        out.println("Again: " + curl);
        out.println();
    }

    void line(String event, String text) {
        if (isSilent) {
            return;
        }
        out.println(
                isJson ? PlainJson.tree(Map.of("event", event, "message", text)).toString() : text);
    }
}
