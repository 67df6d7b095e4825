package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The nodes as the example proxy's flags name them: hosts and ports in lists of equal lengths. Problems are kept, not thrown, so that
 * {@link GatewayConfig} can report all of them together.
 *
 * @param prefillHosts {@code --prefiller-hosts}
 * @param prefillPorts {@code --prefiller-ports}
 * @param decodeHosts {@code --decoder-hosts}
 * @param decodePorts {@code --decoder-ports}
 */
public record NodeLists(
        List<String> prefillHosts, List<Integer> prefillPorts, List<String> decodeHosts, List<Integer> decodePorts) {
    /** The proxy's defaults: localhost 8001 and 8002. */
    public static final NodeLists DEFAULT =
            new NodeLists(List.of("localhost"), List.of(8001), List.of("localhost"), List.of(8002));

    private static final Pattern DIGITS_AND_DOTS = Pattern.compile("[0-9.]+");
    private static final Pattern IPV4 = Pattern.compile("((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(?!$)|$)){4}");

    /** Copies the lists. */
    public NodeLists {
        prefillHosts = List.copyOf(prefillHosts);
        prefillPorts = List.copyOf(prefillPorts);
        decodeHosts = List.copyOf(decodeHosts);
        decodePorts = List.copyOf(decodePorts);
    }

    /** What is wrong with the lists. */
    List<String> problems() {
        List<String> problems = new ArrayList<>();
        check("--prefiller-hosts", prefillHosts, "--prefiller-ports", prefillPorts, problems);
        check("--decoder-hosts", decodeHosts, "--decoder-ports", decodePorts, problems);
        return problems;
    }

    /** The prefill nodes, where there are no problems. */
    public List<HttpAddress> prefill() {
        return addresses(prefillHosts, prefillPorts);
    }

    /** The decode nodes, where there are no problems. */
    public List<HttpAddress> decode() {
        return addresses(decodeHosts, decodePorts);
    }

    private static void check(
            String hostFlag, List<String> hosts, String portFlag, List<Integer> ports, List<String> problems) {
        if (hosts.size() != ports.size()) {
            problems.add(hostFlag + " has " + hosts.size() + " entries and " + portFlag + " " + ports.size()
                    + "; each host needs its port");
        }
        if (hosts.isEmpty()) {
            problems.add(hostFlag + " is empty");
        }
        hosts.forEach(host -> hostProblem(host).ifPresent(problem -> problems.add(hostFlag + ": " + problem)));
        for (int port : ports) {
            if (port < 1 || port > 65_535) {
                problems.add(portFlag + ": " + port + " is not within 1..65535");
            }
        }
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < Math.min(hosts.size(), ports.size()); i++) {
            if (!seen.add(hosts.get(i) + " " + ports.get(i))) {
                problems.add(hostFlag + ": " + hosts.get(i) + ":" + ports.get(i) + " is listed twice");
            }
        }
    }

    private static Optional<String> hostProblem(String host) {
        if (host.isBlank()) {
            return Optional.of("a host is empty");
        }
        if (host.indexOf(',') >= 0 || host.indexOf(' ') >= 0) {
            return Optional.of("'" + host + "' holds several hosts; separate the arguments with blanks");
        }
        if (DIGITS_AND_DOTS.matcher(host).matches() && !IPV4.matcher(host).matches()) {
            return Optional.of("'" + host + "' is no address" + glued(host));
        }
        return Optional.empty();
    }

    /** A hint where two addresses lack the blank between them; of several ways to cut, the one with the most equal halves. */
    private static String glued(String host) {
        for (int distance = 0; distance < host.length() / 2; distance++) {
            for (int cut : new int[] {host.length() / 2 - distance, (host.length() + 1) / 2 + distance}) {
                if (cut > 0 && cut < host.length()) {
                    String first = host.substring(0, cut);
                    String second = host.substring(cut);
                    if (IPV4.matcher(first).matches() && IPV4.matcher(second).matches()) {
                        return "; is a blank missing, as in '" + first + " " + second + "'?";
                    }
                }
            }
        }
        return "";
    }

    private static List<HttpAddress> addresses(List<String> hosts, List<Integer> ports) {
        List<HttpAddress> addresses = new ArrayList<>();
        for (int i = 0; i < hosts.size(); i++) {
            addresses.add(new HttpAddress(hosts.get(i), ports.get(i)));
        }
        return List.copyOf(addresses);
    }
}
