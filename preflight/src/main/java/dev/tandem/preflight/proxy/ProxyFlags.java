package dev.tandem.preflight.proxy;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.GatewayLimits;
import dev.tandem.gateway.GatewayPolicies;
import dev.tandem.gateway.NodeLists;
import dev.tandem.gateway.PdShape;
import dev.tandem.gateway.RetrySettings;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.WholeNumber;
import dev.tandem.preflight.words.ArgparseWords;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The command line of {@code tandem proxy}: the flags of both example proxies, and our own.
 *
 * @param config of the gateway
 * @param nodeWait how long to wait until one node of each role answers
 * @param notes flags that were accepted and have no effect, each with the reason
 */
public record ProxyFlags(GatewayConfig config, Duration nodeWait, List<String> notes) {
    private static final Map<String, String> HELP = help();
    private static final Map<String, String> SWITCHES = Map.of(
            "layerwise",
            "the nodes run MooncakeLayerwiseConnector: decode nodes are called first",
            "allow-client-kv-transfer-params",
            "clients may send kv_transfer_params; dropped otherwise");
    private static final Map<String, String> WITHOUT_EFFECT = Map.of(
            "max-waiting-retries", "a node that does not answer is probed for ever",
            "waiting-retry-interval", "a node that does not answer is probed several times a second, later less often",
            "log-level", "the log is set in logback's configuration");

    private static Map<String, String> help() {
        var help = new LinkedHashMap<String, String>();
        help.put("host", "address to bind, and no other (default 127.0.0.1)");
        help.put("port", "port of the gateway (default 8000)");
        help.put("prefiller-hosts", "hosts of the prefill nodes");
        help.put("prefiller-ports", "their ports, in the same order");
        help.put("decoder-hosts", "hosts of the decode nodes");
        help.put("decoder-ports", "their ports, in the same order");
        help.put("advertised-host", "with --layerwise: the gateway's address for decode nodes (default --host)");
        help.put("max-retries", "prefill nodes that are asked for one request (default 3)");
        help.put("retry-delay", "seconds before the second attempt; doubles (default 0.001)");
        help.put(
                "local-prefill",
                "allow | refuse: what happens when a prompt cannot be computed on a prefill node (default allow)");
        help.put("node-wait", "seconds to wait at start for a node of each role (default 1800)");
        help.put("max-concurrent-requests", "requests in flight; one more gets 503 (default 4096)");
        help.put("event-loops", "threads that relay (default 2)");
        help.put("workers", "the same, in the example proxy's word");
        return help;
    }

    public static String usage() {
        var text = new StringBuilder("usage: tandem proxy [flags]\n\n");
        HELP.forEach((name, line) -> text.append(String.format("  --%-26s %s%n", name, line)));
        SWITCHES.forEach((name, line) -> text.append(String.format("  --%-26s %s%n", name, line)));
        return text.toString();
    }

    /**
     * Reads the words behind {@code tandem proxy}.
     *
     * @throws FlagException with all problems
     */
    public static ProxyFlags parse(List<String> words) {
        Set<String> flags = new HashSet<>(HELP.keySet());
        flags.addAll(WITHOUT_EFFECT.keySet());
        var read = new Reading(ArgparseWords.read(words, flags, SWITCHES.keySet()));
        var lists = new NodeLists(
                read.words.texts("prefiller-hosts", NodeLists.DEFAULT.prefillHosts()),
                read.ports("prefiller-ports", NodeLists.DEFAULT.prefillPorts()),
                read.words.texts("decoder-hosts", NodeLists.DEFAULT.decodeHosts()),
                read.ports("decoder-ports", NodeLists.DEFAULT.decodePorts()));
        int port = read.whole("port", 8000);
        var retry = new RetrySettings(read.whole("max-retries", 3), read.seconds("retry-delay", "0.001"));
        GatewayPolicies policies = read.policies();
        GatewayLimits limits = read.limits();
        Duration nodeWait = read.seconds("node-wait", "1800");
        if (port > 65_535) {
            read.problems.add("--port " + port + " is not within 0..65535");
        }
        if (!read.problems.isEmpty()) {
            throw new FlagException(read.problems);
        }
        var listen = new HttpAddress(read.words.text("host", "127.0.0.1"), port);
        List<String> notes = WITHOUT_EFFECT.keySet().stream()
                .filter(read.words::has)
                .sorted()
                .map(name -> "--" + name + ": " + WITHOUT_EFFECT.get(name))
                .toList();
        try {
            return new ProxyFlags(new GatewayConfig(listen, lists, retry, policies, limits), nodeWait, notes);
        } catch (IllegalArgumentException e) {
            throw new FlagException(List.of(String.valueOf(e.getMessage()).split("\n", -1)));
        }
    }

    /** Values of words, with the problems found on the way. */
    private static final class Reading {
        private final ArgparseWords words;
        private final List<String> problems;

        Reading(ArgparseWords words) {
            this.words = words;
            this.problems = new ArrayList<>(words.problems());
        }

        GatewayPolicies policies() {
            PdShape shape = new PdShape.PrefillFirst();
            if (words.has("layerwise")) {
                shape = new PdShape.DecodeFirst(
                        words.has("advertised-host")
                                ? Optional.of(words.text("advertised-host", ""))
                                : Optional.empty());
            } else if (words.has("advertised-host")) {
                problems.add("--advertised-host is for --layerwise: without it no node calls the gateway");
            }
            return new GatewayPolicies(
                    shape,
                    localPrefill(),
                    words.has("allow-client-kv-transfer-params"),
                    GatewayPolicies.DEFAULT.probes());
        }

        GatewayLimits limits() {
            GatewayLimits defaults = GatewayLimits.DEFAULT;
            return new GatewayLimits(
                    whole("event-loops", whole("workers", defaults.eventLoops())),
                    defaults.maxBodyBytes(),
                    whole("max-concurrent-requests", defaults.maxConcurrentRequests()),
                    defaults.silenceTimeout(),
                    defaults.closeTimeout());
        }

        int whole(String name, int absent) {
            return number(name, words.text(name, Integer.toString(absent)));
        }

        List<Integer> ports(String name, List<Integer> absent) {
            return words.has(name)
                    ? words.texts(name, List.of()).stream()
                            .map(text -> number(name, text))
                            .toList()
                    : absent;
        }

        private int number(String name, String text) {
            long value = WholeNumber.parse(text).orElse(-1L);
            if (value < 0 || value > Integer.MAX_VALUE) {
                problems.add("--" + name + " must be a whole number, not " + text);
                return 1;
            }
            return (int) value;
        }

        Duration seconds(String name, String absent) {
            String text = words.text(name, absent);
            try {
                double seconds = Double.parseDouble(text);
                if (seconds >= 0 && seconds <= 1e6) {
                    return Duration.ofNanos((long) (seconds * 1e9));
                }
            } catch (NumberFormatException e) {
                // said below
            }
            problems.add("--" + name + " must be a number of seconds from 0 to 1000000, not " + text);
            return Duration.ZERO;
        }

        private LocalPrefillPolicy localPrefill() {
            String text = words.text("local-prefill", "allow");
            for (LocalPrefillPolicy policy : LocalPrefillPolicy.values()) {
                if (policy.name().toLowerCase(java.util.Locale.ROOT).equals(text)) {
                    return policy;
                }
            }
            problems.add("--local-prefill must be allow or refuse, not " + text);
            return LocalPrefillPolicy.ALLOW;
        }
    }
}
