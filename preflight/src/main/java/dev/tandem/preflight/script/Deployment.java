package dev.tandem.preflight.script;

import dev.tandem.preflight.shell.Place;
import java.util.List;
import java.util.Optional;

/**
 * What all scripts together start.
 *
 * @param nodes whose words could be read
 * @param proxies whose words could be read
 * @param tables commands that write a rank table
 * @param questions requests with curl
 * @param isWhole whether every command of a node or proxy could be read; else what is missing may stand in another
 */
record Deployment(
        List<NodeStart> nodes, List<ProxyStart> proxies, List<Call> tables, List<Call> questions, boolean isWhole) {
    Deployment {
        nodes = List.copyOf(nodes);
        proxies = List.copyOf(proxies);
        tables = List.copyOf(tables);
        questions = List.copyOf(questions);
    }

    List<NodeStart> prefill() {
        return nodes.stream().filter(NodeStart::isPrefill).toList();
    }

    List<NodeStart> decode() {
        return nodes.stream().filter(NodeStart::isDecode).toList();
    }

    /** Whether two commands run on one machine: their addresses say so, or, where they say nothing, their script. */
    static boolean isOneMachine(Optional<String> host, Place place, Optional<String> otherHost, Place otherPlace) {
        if (host.isPresent() && otherHost.isPresent()) {
            return host.equals(otherHost)
                    || (NodeStart.isLoopback(host.get()) && NodeStart.isLoopback(otherHost.get()));
        }
        return place.file().equals(otherPlace.file());
    }
}
