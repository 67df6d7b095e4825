package dev.tandem.node;

import dev.tandem.api.ApiException;
import dev.tandem.api.ReservedPorts;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.node.flags.ServeFlags;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.OptionalInt;

/**
 * The ports that a node's configuration names: those of the side channel, of the transfer engine,
 * of HTTP, and for joins. All are reserved before the node loads
 * anything, so that none is given to what asks for any free port (the transfer engine, expert rows, outgoing connections), and a clash with
 * another process is told at once. For a side-channel port the message names the rank and a setting that is free.
 */
final class NamedPorts {
    private NamedPorts() {}

    /**
     * Reserves all of them; the caller closes the reservation when their listeners are up.
     *
     * @throws FlagException when a side-channel port is taken
     * @throws ApiException when the HTTP port or that of metrics is taken
     * @throws NodeException when the port for joins is taken
     */
    static ReservedPorts reserve(NodeConfig config) {
        var reserved = new ReservedPorts();
        try {
            config.ports().ifPresent(ports -> reserveSideChannels(reserved, ports, config.sideChannelHost()));
            config.transferPorts().forEach((flag, port) -> reserveTransfer(reserved, config, flag, port));
            ServeFlags.Server server = config.flags().server();
            if (!config.flags().parallel().isHeadless()) {
                reserved.add(server.host(), server.port());
                server.metricsPort().ifPresent(port -> reserved.add(server.host(), port));
            }
            ClusterMembership.joinAddress(config).ifPresent(address -> reserveJoins(reserved, address));
            return reserved;
        } catch (RuntimeException e) {
            reserved.close();
            throw e;
        }
    }

    private static void reserveTransfer(ReservedPorts reserved, NodeConfig config, String flag, int port) {
        try {
            reserved.add(config.announcedHost(), port);
        } catch (ApiException e) {
            throw new FlagException(flag + ": " + e.getMessage());
        }
    }

    private static void reserveJoins(ReservedPorts reserved, InetSocketAddress address) {
        try {
            reserved.add(address.getHostString(), address.getPort());
        } catch (ApiException e) {
            throw new NodeException(ClusterMembership.JOIN_FLAGS + ": " + e.getMessage(), e);
        }
    }

    static void reserveSideChannels(ReservedPorts reserved, PortPlan plan, String host) {
        for (int port : plan.sideChannels()) {
            try {
                reserved.add(host, port);
            } catch (ApiException e) {
                throw new FlagException(refusal(plan, host, port, e));
            }
        }
    }

    private static String refusal(PortPlan plan, String host, int port, ApiException cause) {
        String sentence = "the side channel of " + plan.owner(port) + " " + cause.getMessage();
        if (cause.kind() != ApiException.Kind.ADDRESS_IN_USE) {
            return sentence;
        }
        OptionalInt next = plan.nextFree(other -> isFree(host, other));
        return sentence + "; this node's ranks need the ports " + plan.range()
                + (next.isPresent()
                        ? "; with " + plan.base().setting() + " " + next.getAsInt() + " they are free"
                        : "");
    }

    private static boolean isFree(String host, int port) {
        try (var socket = new ServerSocket(port, 1, InetAddress.getByName(host))) {
            return socket.isBound();
        } catch (IOException e) {
            // Taken, or not ours: either way not free.
            return false;
        }
    }
}
