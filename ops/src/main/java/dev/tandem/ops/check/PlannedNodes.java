package dev.tandem.ops.check;

import dev.tandem.node.Machine;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.topology.Topology;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.deployment.PlannedNode;
import java.util.ArrayList;
import java.util.List;

/** The nodes that a topology will start, as the check of a deployment takes them. */
public final class PlannedNodes {
    private PlannedNodes() {}

    /**
     * The nodes of a topology.
     *
     * @throws FlagException when a node's arguments or variables cannot be carried out, naming the node
     */
    public static List<PlannedNode> of(Topology topology, Machine machine) {
        var nodes = new ArrayList<PlannedNode>();
        var problems = new ArrayList<String>();
        for (ProcessPlan process : LaunchPlan.of(topology).processes()) {
            if (process.role().equals("gateway")) {
                continue;
            }
            boolean isHere = Hosts.isHere(process.http().host(), machine);
            try {
                nodes.add(PlannedNode.of(
                        process.name(),
                        process.arguments().subList(1, process.arguments().size()),
                        () -> isHere
                                ? NodeEnvironment.read(process.variables())
                                : NodeEnvironment.readForElsewhere(process.variables()),
                        machine));
            } catch (FlagException e) {
                e.problems().forEach(problem -> problems.add(process.name() + ": " + problem));
            }
        }
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return nodes;
    }
}
