package dev.tandem.ops.check;

import dev.tandem.node.Machine;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.topology.Topology;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.deployment.DeploymentCheck;
import dev.tandem.preflight.deployment.PlannedNode;
import dev.tandem.preflight.deployment.PlannedPort;
import dev.tandem.preflight.machine.SystemFiles;
import java.util.ArrayList;
import java.util.List;

/** What is looked at before processes start: the commands of all nodes against each other, their ports, and memory for all of them. */
public final class LaunchCheck {
    private LaunchCheck() {}

    /**
     * Looks.
     *
     * @param name of the topology, for messages
     * @param plan with a rank table that is there, where one is needed
     */
    public static List<Finding> run(String name, Topology topology, LaunchPlan plan) {
        var findings = new ArrayList<>(TopologyCheck.check(name, plan));
        List<PlannedNode> nodes = PlannedNodes.of(topology, Machine.here());
        var ports = new ArrayList<PlannedPort>();
        if (topology.gateway().port() != 0) {
            ports.add(new PlannedPort(
                    topology.gateway().host(), topology.gateway().port(), "the gateway"));
        }
        nodes.forEach(node -> ports.addAll(node.ports()));
        var check = new DeploymentCheck(SystemFiles.here());
        ports.stream().map(PlannedPort::host).distinct().forEach(host -> findings.addAll(check.ports(host, ports)));
        findings.addAll(check.memory(nodes));
        return findings;
    }
}
