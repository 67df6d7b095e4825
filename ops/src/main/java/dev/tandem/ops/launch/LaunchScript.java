package dev.tandem.ops.launch;

import dev.tandem.ops.topology.Topology;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** A launch plan as the scripts of the deployment guides: one per node, then the proxy, then the question. Pure. */
public final class LaunchScript {
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_./:=,@%+-]+");
    private static final List<String> PROXIES = List.of("ftp_proxy", "https_proxy", "http_proxy");

    private LaunchScript() {}

    /** The text of all scripts; each begins with a comment that says where it runs. */
    public static String of(Topology topology, LaunchPlan plan) {
        var text = new StringBuilder();
        for (ProcessPlan process : plan.processes()) {
            if (!process.role().equals("gateway")) {
                node(text, process);
            }
        }
        gateway(text, topology, plan.processes().getFirst());
        text.append("# Verification\ncurl http://")
                .append(topology.gateway())
                .append("/v1/completions \\\n")
                .append("    -H \"Content-Type: application/json\" \\\n")
                .append("    -d '{\n        \"model\": \"")
                .append(topology.model().servedName())
                .append("\",\n        \"prompt\": \"Who are you?\",\n        \"max_tokens\": 100,\n")
                .append("        \"temperature\": 0\n    }'\n");
        return text.toString();
    }

    private static void node(StringBuilder text, ProcessPlan process) {
        text.append("# ")
                .append(process.name())
                .append(", on ")
                .append(process.http().host());
        text.append('\n');
        PROXIES.forEach(proxy -> text.append("unset ").append(proxy).append('\n'));
        for (Map.Entry<String, String> variable : process.variables().entrySet()) {
            text.append("export ")
                    .append(variable.getKey())
                    .append('=')
                    .append(quoted(variable.getValue()))
                    .append('\n');
        }
        command(text, process.words(), "  ");
        text.append('\n');
    }

    private static void gateway(StringBuilder text, Topology topology, ProcessPlan gateway) {
        text.append("# gateway, on ").append(topology.gateway().host()).append('\n');
        topology.nodes().stream()
                .filter(node -> node.ranks().join().isHeadless())
                .forEach(node -> text.append("# ")
                        .append(node.http().host())
                        .append(" is headless: nobody listens there, so it is in no list\n"));
        command(text, gateway.words(), "    ");
        text.append('\n');
    }

    /** A line for each flag, its values behind it; JSON begins a line of its own. */
    private static void command(StringBuilder text, List<String> words, String indent) {
        text.append("tandem");
        for (String word : words) {
            if (word.startsWith("--") || word.contains("\n")) {
                text.append(" \\\n").append(indent).append(quoted(word));
            } else {
                text.append(' ').append(quoted(word));
            }
        }
        text.append('\n');
    }

    /** A word as a shell reads it back unchanged. */
    static String quoted(String word) {
        return PLAIN.matcher(word).matches() ? word : "'" + word.replace("'", "'\\''") + "'";
    }
}
