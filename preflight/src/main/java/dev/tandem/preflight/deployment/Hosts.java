package dev.tandem.preflight.deployment;

import dev.tandem.node.Machine;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Set;

/** Which hosts this machine is. */
public final class Hosts {
    private static final Set<String> WILDCARDS = Set.of("0.0.0.0", "::", "");

    private Hosts() {}

    /** Whether a host to bind stands for all addresses of its machine. */
    public static boolean isWildcard(String host) {
        return WILDCARDS.contains(host);
    }

    /** Whether a host is its machine itself: every address of 127/8, and its name. */
    public static boolean isLoopback(String host) {
        return host.startsWith("127.") || host.equals("localhost") || host.equals("::1");
    }

    /** Whether a name or an address is this machine's; a name that nobody knows is not. */
    public static boolean isHere(String host, Machine machine) {
        if (machine.hasAddress(host)) {
            return true;
        }
        try {
            return machine.hasAddress(InetAddress.getByName(host).getHostAddress());
        } catch (UnknownHostException e) {
            return false; // the caller reports the host as not this machine's, by its name
        }
    }
}
