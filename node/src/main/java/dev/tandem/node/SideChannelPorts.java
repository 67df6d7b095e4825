package dev.tandem.node;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.PortPlan;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.OptionalInt;

/**
 * Tries the side-channel ports of a node before it loads anything, so that a clash with another node on the host is told by rank and with
 * a setting that is free. Another process may still take a port between the trial and the use.
 */
final class SideChannelPorts {
    private SideChannelPorts() {}

    /**
     * Tries every port of {@code plan} on {@code host}.
     *
     * @throws FlagException naming port, rank and what would work
     */
    static void requireFree(PortPlan plan, String host) {
        InetAddress address;
        try {
            address = InetAddress.getByName(host);
        } catch (UnknownHostException e) {
            throw new FlagException("the side channel cannot listen on " + host + ": no such host");
        }
        for (int port : plan.sideChannels()) {
            try {
                new ServerSocket(port, 1, address).close();
            } catch (BindException e) {
                throw new FlagException(refusal(plan, address, host, port, e));
            } catch (IOException e) {
                throw new FlagException(
                        "the side channel cannot listen on " + host + ":" + port + ": " + e.getMessage());
            }
        }
    }

    private static String refusal(PortPlan plan, InetAddress address, String host, int port, BindException cause) {
        OptionalInt next = plan.nextFree(other -> isFree(address, other));
        return "the side channel of " + plan.owner(port) + " cannot listen on " + host + ":" + port + ": "
                + cause.getMessage() + "; this node's ranks need the ports " + plan.range()
                + (next.isPresent()
                        ? "; with " + plan.base().setting() + " " + next.getAsInt() + " they are free"
                        : "");
    }

    private static boolean isFree(InetAddress address, int port) {
        try (var socket = new ServerSocket(port, 1, address)) {
            return socket.isBound();
        } catch (IOException e) {
            // Taken, or not ours: either way not free.
            return false;
        }
    }
}
