package dev.tandem.preflight;

import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding.Severity;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Findings for people and for programs. Immutable. In JSON, {@link Finding#fix} has the key {@code mend}, which programs read.
 *
 * <pre>
 *   {"node":"192.0.0.1","section":"devices","severity":"error","subject":"device 3 link","found":"DOWN","mend":"look at …"}
 *   {"node":"192.0.0.1","section":"devices","table":[["device","link"],["3","!! DOWN"]]}       with tables only
 *   {"summary":{"nodes":1,"well":12,"note":3,"warning":0,"error":1},"is_well":false}
 * </pre>
 *
 * @param nodes in the order in which they are shown
 */
public record CheckReport(List<CheckedNode> nodes) {
    private static final int MAX_LINES = 1_000_000;
    private static final String GREEN = "\u001B[32m";
    private static final String YELLOW = "\u001B[33m";
    private static final String RED = "\u001B[31m";
    private static final String PLAIN = "\u001B[0m";

    public CheckReport {
        nodes = List.copyOf(nodes);
    }

    /** Whether nothing is red. */
    public boolean isWell() {
        return nodes.stream().flatMap(CheckedNode::findings).noneMatch(Finding::isError);
    }

    /** How many there are of each severity. */
    public Map<Severity, Long> counts() {
        var counts = new EnumMap<Severity, Long>(Severity.class);
        for (Severity severity : Severity.values()) {
            counts.put(severity, 0L);
        }
        nodes.stream()
                .flatMap(CheckedNode::findings)
                .forEach(finding -> counts.merge(finding.severity(), 1L, Long::sum));
        return counts;
    }

    /** Lines for people. Below a table, only those findings are listed that are not well. */
    public List<String> lines(boolean hasColours) {
        var lines = new ArrayList<String>();
        for (CheckedNode node : nodes) {
            lines.add(node.name());
            for (Section section : node.sections()) {
                lines.add("  " + section.title());
                addTable(lines, section.table(), hasColours);
                for (Finding finding : section.findings()) {
                    if (section.table().isEmpty() || finding.severity() != Severity.WELL) {
                        addFinding(lines, finding, hasColours);
                    }
                }
            }
        }
        lines.add(summary(hasColours));
        return lines;
    }

    private static void addTable(List<String> lines, List<List<String>> table, boolean hasColours) {
        if (table.isEmpty()) {
            return;
        }
        var widths = new int[table.getFirst().size()];
        for (List<String> row : table) {
            for (int column = 0; column < Math.min(widths.length, row.size()); column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        for (List<String> row : table) {
            var line = new StringBuilder("   ");
            for (int column = 0; column < Math.min(widths.length, row.size()); column++) {
                String cell = row.get(column);
                String padded = cell + " ".repeat(widths[column] - cell.length());
                line.append(' ').append(hasColours && cell.startsWith("!!") ? RED + padded + PLAIN : padded);
            }
            lines.add(line.toString().stripTrailing());
        }
    }

    private static void addFinding(List<String> lines, Finding finding, boolean hasColours) {
        String word = switch (finding.severity()) {
            case WELL -> "ok   ";
            case NOTE -> "note ";
            case WARNING -> "warn ";
            case ERROR -> "ERROR";
        };
        String colour = switch (finding.severity()) {
            case WELL -> GREEN;
            case NOTE -> "";
            case WARNING -> YELLOW;
            case ERROR -> RED;
        };
        String shown = hasColours && !colour.isEmpty() ? colour + word + PLAIN : word;
        lines.add("    " + shown + " " + finding.subject() + ": " + finding.found());
        if (!finding.fix().isEmpty()) {
            lines.add("          -> " + finding.fix());
        }
    }

    private String summary(boolean hasColours) {
        Map<Severity, Long> counts = counts();
        String verdict = isWell() ? "all well" : "not well";
        if (hasColours) {
            verdict = (isWell() ? GREEN : RED) + verdict + PLAIN;
        }
        return verdict + ": " + counts.get(Severity.WELL) + " ok, " + counts.get(Severity.NOTE) + " notes, "
                + counts.get(Severity.WARNING) + " warnings, " + counts.get(Severity.ERROR) + " errors";
    }

    /**
     * One JSON object per line.
     *
     * @param hasTables whether tables are written too, for a check that shows the findings of another machine
     */
    public List<String> json(boolean hasTables) {
        var lines = new ArrayList<String>();
        for (CheckedNode node : nodes) {
            for (Section section : node.sections()) {
                if (hasTables && !section.table().isEmpty()) {
                    ObjectNode line = place(node, section);
                    ArrayNode rows = line.putArray("table");
                    section.table().forEach(row -> row.forEach(rows.addArray()::add));
                    lines.add(line.toString());
                }
                section.findings()
                        .forEach(finding -> lines.add(place(node, section)
                                .put("severity", word(finding.severity()))
                                .put("subject", finding.subject())
                                .put("found", finding.found())
                                .put("mend", finding.fix())
                                .toString()));
            }
        }
        ObjectNode last = JsonMapper.shared().createObjectNode();
        ObjectNode summary = last.putObject("summary").put("nodes", nodes.size());
        counts().forEach((severity, count) -> summary.put(word(severity), count));
        lines.add(last.put("is_well", isWell()).toString());
        return lines;
    }

    private static ObjectNode place(CheckedNode node, Section section) {
        return JsonMapper.shared().createObjectNode().put("node", node.name()).put("section", section.title());
    }

    private static String word(Severity severity) {
        return severity.name().toLowerCase(Locale.ROOT);
    }

    /**
     * Reads what {@link #json} wrote from the output of another machine's check; other lines are skipped.
     *
     * @return empty when the summary line, which is the last, is missing
     */
    public static Optional<CheckReport> read(String output) {
        Map<String, Map<String, Parts>> nodes = new LinkedHashMap<>();
        boolean isWhole = false;
        for (String line : output.lines().limit(MAX_LINES).toList()) {
            Optional<ObjectNode> read = object(line);
            isWhole |= read.filter(it -> it.has("summary")).isPresent();
            read.filter(it -> it.path("section").isString())
                    .ifPresent(it -> nodes.computeIfAbsent(it.path("node").asString(""), _ -> new LinkedHashMap<>())
                            .computeIfAbsent(it.path("section").asString(), _ -> new Parts())
                            .add(it));
        }
        if (!isWhole) {
            return Optional.empty();
        }
        var checked = new ArrayList<CheckedNode>();
        nodes.forEach((name, sections) -> {
            var list = new ArrayList<Section>();
            sections.forEach((title, parts) -> list.add(new Section(title, parts.table, parts.findings)));
            checked.add(new CheckedNode(name, list));
        });
        return Optional.of(new CheckReport(checked));
    }

    private static Optional<ObjectNode> object(String line) {
        try {
            return line.startsWith("{") && JsonMapper.shared().readTree(line) instanceof ObjectNode object
                    ? Optional.of(object)
                    : Optional.empty();
        } catch (JacksonException e) {
            return Optional
                    .empty(); // a greeting of the other machine's shell, which no reader can tell from a broken line
        }
    }

    /** One section while it is read. */
    private static final class Parts {
        private final List<List<String>> table = new ArrayList<>();
        private final List<Finding> findings = new ArrayList<>();

        void add(ObjectNode line) {
            if (line.get("table") instanceof ArrayNode rows) {
                for (JsonNode row : rows) {
                    var cells = new ArrayList<String>();
                    row.forEach(cell -> cells.add(cell.asString("")));
                    table.add(cells);
                }
                return;
            }
            String word = line.path("severity").asString("");
            for (Severity severity : Severity.values()) {
                if (word(severity).equals(word)) {
                    findings.add(new Finding(
                            severity,
                            line.path("subject").asString(""),
                            line.path("found").asString(""),
                            line.path("mend").asString("")));
                }
            }
        }
    }
}
