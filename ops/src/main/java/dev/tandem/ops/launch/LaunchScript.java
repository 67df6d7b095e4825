package dev.tandem.ops.launch;

import dev.tandem.ops.topology.Topology;
import dev.tandem.preflight.host.RemoteRun;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A launch plan as the scripts of the deployment guides: one per node, then the proxy, then the question. Pure. */
public final class LaunchScript {
    private static final String ADDRESS = "HCCL_IF_IP";
    private static final String CARD = "HCCL_SOCKET_IFNAME";
    private static final String CARD_SUFFIX = "_SOCKET_IFNAME";
    private static final List<String> PROXIES = List.of("ftp_proxy", "https_proxy", "http_proxy");

    private LaunchScript() {}

    /** The text of all scripts; each begins with a comment that says where it runs. */
    public static String of(Topology topology, LaunchPlan plan) {
        var text = new StringBuilder();
        plan.rankTable().ifPresent(step -> rankTable(text, step, plan));
        for (ProcessPlan process : plan.processes()) {
            if (!process.role().equals("gateway")) {
                node(text, process);
            }
        }
        gateway(text, topology, plan.processes().getFirst());
        String scheme = topology.isGatewaySecure() ? "https://" : "http://";
        text.append("# Verification; tandem verify ")
                .append(scheme)
                .append(topology.gateway())
                .append(" looks at more than that\ncurl ")
                .append(scheme)
                .append(topology.gateway())
                .append("/v1/completions \\\n")
                .append("    -H \"Content-Type: application/json\" \\\n")
                .append("    -d '{\n        \"model\": \"")
                .append(topology.model().servedName())
                .append("\",\n        \"prompt\": \"Who are you?\",\n        \"max_tokens\": 100,\n")
                .append("        \"temperature\": 0\n    }'\n");
        return text.toString();
    }

    private static void rankTable(StringBuilder text, RankTableStep step, LaunchPlan plan) {
        String path = plan.processes().getLast().variables().get(RankTableStep.VARIABLE);
        text.append("# rank table, on ")
                .append(String.join(" and ", step.plan().nodes()))
                .append(" at once; each writes the same file\n");
        command(text, step.arguments(Path.of(String.valueOf(path))), "  ");
        text.append('\n');
    }

    private static void node(StringBuilder text, ProcessPlan process) {
        text.append("# ")
                .append(process.name())
                .append(", on ")
                .append(process.http().host());
        text.append('\n');
        PROXIES.forEach(proxy -> text.append("unset ").append(proxy).append('\n'));
        var spoken = new LinkedHashMap<String, String>();
        shorthand(text, "nic_name", process.variables().get(CARD), spoken);
        shorthand(text, "local_ip", process.variables().get(ADDRESS), spoken);
        for (Map.Entry<String, String> variable : process.variables().entrySet()) {
            boolean isShort =
                    variable.getKey().endsWith(CARD_SUFFIX) || variable.getKey().equals(ADDRESS);
            String value = RemoteRun.quoted(variable.getValue());
            text.append("export ")
                    .append(variable.getKey())
                    .append('=')
                    .append(isShort ? spoken.getOrDefault(variable.getValue(), value) : value)
                    .append('\n');
        }
        command(text, process.arguments(), "  ");
        text.append('\n');
    }

    /** The guides' two shell variables: what differs from host to host is said once. */
    private static void shorthand(StringBuilder text, String name, @Nullable String value, Map<String, String> spoken) {
        if (value != null) {
            text.append(name).append('=').append(RemoteRun.quoted(value)).append('\n');
            spoken.put(value, "$" + name);
        }
    }

    private static void gateway(StringBuilder text, Topology topology, ProcessPlan gateway) {
        text.append("# gateway, on ").append(topology.gateway().host()).append('\n');
        topology.nodes().stream()
                .filter(node -> node.ranks().join().isHeadless())
                .forEach(node -> text.append("# ")
                        .append(node.http().host())
                        .append(" is headless: nobody listens there, so it is in no list\n"));
        gateway.variables()
                .forEach((name, value) -> text.append("export ")
                        .append(name)
                        .append('=')
                        .append(RemoteRun.quoted(value))
                        .append('\n'));
        command(text, gateway.arguments(), "    ");
        text.append('\n');
    }

    /** A line for each flag, its values behind it; JSON begins a line of its own. */
    private static void command(StringBuilder text, List<String> arguments, String indent) {
        text.append("tandem");
        for (String argument : arguments) {
            if (argument.startsWith("--") || argument.contains("\n")) {
                text.append(" \\\n").append(indent).append(RemoteRun.quoted(argument));
            } else {
                text.append(' ').append(RemoteRun.quoted(argument));
            }
        }
        text.append('\n');
    }
}
