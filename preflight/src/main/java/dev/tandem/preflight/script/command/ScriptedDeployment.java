package dev.tandem.preflight.script.command;

import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.shell.SourceLocation;
import java.util.List;
import java.util.Optional;

/**
 * What all scripts together start.
 *
 * @param nodes whose arguments could be read
 * @param proxies whose arguments could be read
 * @param tables commands that write a rank table
 * @param questions requests with curl
 * @param isWhole whether every command of a node or proxy could be read; else what is missing may stand in another
 */
public record ScriptedDeployment(
        List<NodeStart> nodes, List<ProxyStart> proxies, List<Call> tables, List<Call> questions, boolean isWhole) {
    public ScriptedDeployment {
        nodes = List.copyOf(nodes);
        proxies = List.copyOf(proxies);
        tables = List.copyOf(tables);
        questions = List.copyOf(questions);
    }

    public List<NodeStart> prefill() {
        return nodes.stream().filter(NodeStart::isPrefill).toList();
    }

    public List<NodeStart> decode() {
        return nodes.stream().filter(NodeStart::isDecode).toList();
    }

    /** Whether two commands run on one machine: their addresses say so, or, where they say nothing, their script. */
    public static boolean isOneMachine(
            Optional<String> host, SourceLocation location, Optional<String> otherHost, SourceLocation otherLocation) {
        if (host.isPresent() && otherHost.isPresent()) {
            return host.equals(otherHost) || (Hosts.isLoopback(host.get()) && Hosts.isLoopback(otherHost.get()));
        }
        return location.file().equals(otherLocation.file());
    }
}
