package dev.tandem.preflight.deployment;

import dev.tandem.node.Machine;
import java.net.InetAddress;
import java.net.UnknownHostException;

/** Which hosts this machine is. */
public final class Hosts {
    private Hosts() {}

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
