package dev.tandem.node;

import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * What a node needs to know of the machine that it runs on.
 *
 * @param interfaces names of its network interfaces
 * @param addresses of these interfaces, as Java writes them; of 127/8 only those that are configured, though all work
 */
public record Machine(Set<String> interfaces, Set<String> addresses) {
    private static final Pattern LITERAL = Pattern.compile("[0-9.]+|[0-9a-fA-F:.]+(%.+)?");

    public Machine {
        interfaces = new TreeSet<>(interfaces);
        addresses = new TreeSet<>(addresses);
    }

    /**
     * Asks the operating system.
     *
     * @throws NodeException when it does not say
     */
    public static Machine here() {
        var interfaces = new TreeSet<String>();
        var addresses = new TreeSet<String>();
        try {
            NetworkInterface.networkInterfaces().forEach(each -> {
                interfaces.add(each.getName());
                each.inetAddresses().map(InetAddress::getHostAddress).forEach(addresses::add);
            });
        } catch (SocketException e) {
            throw new NodeException("the network interfaces of this machine cannot be listed: " + e.getMessage(), e);
        }
        return new Machine(interfaces, addresses);
    }

    /** Whether a literal address is this machine's own; every one of 127/8 is. */
    public boolean hasAddress(String address) {
        if (!LITERAL.matcher(address).matches()) {
            return false;
        }
        try {
            InetAddress parsed = InetAddress.getByName(address);
            String plain = parsed.getHostAddress();
            return parsed.isLoopbackAddress()
                    || addresses.stream().anyMatch(own -> own.equals(plain) || own.startsWith(plain + "%"));
        } catch (UnknownHostException e) {
            // Not an address, whatever it looks like: the caller says so, with the addresses that there are.
            return false;
        }
    }
}
