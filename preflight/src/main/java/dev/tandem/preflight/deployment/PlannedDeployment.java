package dev.tandem.preflight.deployment;

import java.util.List;
import java.util.Set;

/**
 * What is to run, on this machine and on others.
 *
 * @param nodes all of the deployment; those that are here are looked at
 * @param ports all of the deployment, of every host
 * @param hostsHere those of their hosts that are this machine
 */
public record PlannedDeployment(List<PlannedNode> nodes, List<PlannedPort> ports, Set<String> hostsHere) {
    /** Nothing is known of what will run. */
    public static final PlannedDeployment NONE = new PlannedDeployment(List.of(), List.of(), Set.of());

    public PlannedDeployment {
        nodes = List.copyOf(nodes);
        ports = List.copyOf(ports);
        hostsHere = Set.copyOf(hostsHere);
    }
}
