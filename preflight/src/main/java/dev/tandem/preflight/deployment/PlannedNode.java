package dev.tandem.preflight.deployment;

import dev.tandem.node.Machine;
import dev.tandem.node.NodeConfig;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.ServeFlags;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * A node that is to run, as its own flags and environment describe it.
 *
 * @param name as in the start table
 * @param isHere this machine has its address
 * @param config what it will be started with
 */
public record PlannedNode(String name, boolean isHere, NodeConfig config) {
    /**
     * A node of this machine, from the arguments behind {@code tandem serve}.
     *
     * @throws FlagException with all problems
     */
    public static PlannedNode of(List<String> arguments, Map<String, String> variables, Machine machine) {
        return of("serve", arguments, () -> NodeEnvironment.read(variables), machine);
    }

    /**
     * A node of some machine.
     *
     * @param arguments behind {@code tandem serve}
     * @param variables reads its environment variables
     * @throws FlagException with all problems
     */
    public static PlannedNode of(
            String name, List<String> arguments, Supplier<NodeEnvironment> variables, Machine machine) {
        NodeConfig config =
                NodeConfig.read(arguments, variables, Runtime.getRuntime().availableProcessors());
        return new PlannedNode(name, Hosts.isHere(config.announcedHost(), machine), config);
    }

    /** The address that it announces to its peers. */
    public String host() {
        return config.announcedHost();
    }

    /** Every port that the node will listen on and that is known before it starts; expert ports are any free ones,
     * and so are the transfer engine's where no flag fixes them. */
    public List<PlannedPort> ports() {
        var ports = new ArrayList<PlannedPort>();
        ServeFlags.Server server = config.flags().server();
        Parallel parallel = config.flags().parallel();
        String http = Hosts.isWildcard(server.host()) ? host() : server.host();
        if (!parallel.isHeadless() && server.port() != 0) {
            ports.add(new PlannedPort(http, server.port(), name + " HTTP"));
        }
        if (!parallel.isHeadless() && server.metricsPort().orElse(0) != 0) {
            ports.add(new PlannedPort(http, server.metricsPort().getAsInt(), name + " metrics"));
        }
        if (parallel.isHead()) {
            ports.add(new PlannedPort(parallel.head().address(), parallel.head().rpcPort(), name + " joins"));
        }
        String sideChannels = Hosts.isWildcard(config.sideChannelHost()) ? host() : config.sideChannelHost();
        config.ports()
                .ifPresent(plan -> plan.sideChannels()
                        .forEach(port -> ports.add(
                                new PlannedPort(sideChannels, port, name + " side channel of " + plan.owner(port)))));
        config.transferPorts().forEach((flag, port) -> ports.add(new PlannedPort(host(), port, name + " " + flag)));
        return ports;
    }
}
