package dev.tandem.preflight.deployment;

import java.util.Collection;
import java.util.List;

/**
 * A port that a process will listen on.
 *
 * @param host its address
 * @param port its number
 * @param purpose whose it is, for people
 */
public record PlannedPort(String host, int port, String purpose) {
    /** Numbers of the ports of one address. */
    public static List<Integer> numbers(Collection<PlannedPort> ports, String host) {
        return ports.stream()
                .filter(port -> port.host().equals(host))
                .map(PlannedPort::port)
                .distinct()
                .sorted()
                .toList();
    }
}
