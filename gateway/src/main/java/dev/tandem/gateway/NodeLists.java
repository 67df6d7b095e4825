package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * The nodes as the example proxy's flags name them: hosts and ports in lists of equal lengths. Problems are kept, not thrown, so that
 * {@link GatewayConfig} can report all of them together.
 *
 * @param prefillHosts {@code --prefiller-hosts}; {@code https://} in front of a host says that it speaks TLS
 * @param prefillPorts {@code --prefiller-ports}
 * @param decodeHosts {@code --decoder-hosts}, likewise
 * @param decodePorts {@code --decoder-ports}
 */
public record NodeLists(
        List<String> prefillHosts, List<Integer> prefillPorts, List<String> decodeHosts, List<Integer> decodePorts) {
    /** The proxy's defaults: localhost 8001 and 8002. */
    public static final NodeLists DEFAULT =
            new NodeLists(List.of("localhost"), List.of(8001), List.of("localhost"), List.of(8002));

    /** What stands in front of hosts that speak TLS. */
    public static final String SECURE = "https://";

    private static final Pattern DIGITS_AND_DOTS = Pattern.compile("[0-9.]+");
    private static final Pattern IPV4 = Pattern.compile("((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(?!$)|$)){4}");

    private static final Pattern WITH_PORT = Pattern.compile("[^:]+:\\d+|\\[.+\\]:\\d+");
    private static final Pattern HOST_NAME = Pattern.compile("[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})");
    private static final int MAX_PORT = 65_535;

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
            if (port < 1 || port > MAX_PORT) {
                problems.add(portFlag + ": " + port + " is not within 1.." + MAX_PORT
                        + glued(Integer.toString(port), NodeLists::isPort));
            }
        }
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < Math.min(hosts.size(), ports.size()); i++) {
            if (!seen.add(bare(hosts.get(i)) + " " + ports.get(i))) {
                problems.add(hostFlag + ": " + hosts.get(i) + ":" + ports.get(i) + " is listed twice");
            }
        }
    }

    private static Optional<String> hostProblem(String given) {
        String host = bare(given);
        String quoted = "'" + host + "'";
        if (host.isBlank()) {
            return Optional.of("a host is empty");
        }
        if (host.indexOf(',') >= 0 || host.indexOf(' ') >= 0) {
            return Optional.of(quoted + " holds several hosts; separate the arguments with blanks");
        }
        if (WITH_PORT.matcher(host).matches()) {
            return Optional.of(quoted + " holds a port; ports have a flag of their own");
        }
        if (DIGITS_AND_DOTS.matcher(host).matches()) {
            return IPV4.matcher(host).matches()
                    ? Optional.empty()
                    : Optional.of(quoted + " is not an address"
                            + glued(host, address -> IPV4.matcher(address).matches()));
        }
        if (host.indexOf(':') >= 0) {
            return isIpv6(host) ? Optional.empty() : Optional.of(quoted + " is not an IPv6 address");
        }
        return HOST_NAME.matcher(host).matches() ? Optional.empty() : Optional.of(quoted + " is not a host name");
    }

    private static boolean isIpv6(String host) {
        try {
            InetAddress.ofLiteral(
                    host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static boolean isPort(String text) {
        return text.length() <= 5 && text.charAt(0) != '0' && Integer.parseInt(text) <= MAX_PORT;
    }

    /** A hint where two values lack the blank between them; of several ways to cut, the one with the most equal halves. */
    private static String glued(String text, Predicate<String> isValue) {
        for (int distance = 0; distance < text.length() / 2; distance++) {
            for (int cut : new int[] {text.length() / 2 - distance, (text.length() + 1) / 2 + distance}) {
                if (cut > 0 && cut < text.length()) {
                    String first = text.substring(0, cut);
                    String second = text.substring(cut);
                    if (isValue.test(first) && isValue.test(second)) {
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
            String host = hosts.get(i);
            addresses.add(new HttpAddress(bare(host), ports.get(i), host.startsWith(SECURE)));
        }
        return List.copyOf(addresses);
    }

    private static String bare(String host) {
        return host.startsWith(SECURE) ? host.substring(SECURE.length()) : host;
    }
}
