package dev.tandem.cli;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.GatewayLimits;
import dev.tandem.gateway.GatewayPolicies;
import dev.tandem.gateway.NodeLists;
import dev.tandem.gateway.RetrySettings;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import dev.tandem.node.flags.WholeNumber;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The example proxy's flags as Python's argparse reads them: several values behind one flag, {@code --flag=value}, and any prefix of a
 * flag that fits only one ({@code --prefiller-port}). Pure.
 */
final class ProxyFlags {
    private static final Map<String, String> HELP = help();

    private final Map<String, List<String>> values = new LinkedHashMap<>();
    private final List<String> problems = new ArrayList<>();

    private ProxyFlags() {}

    private static Map<String, String> help() {
        var help = new LinkedHashMap<String, String>();
        help.put("host", "address to bind, and no other (default 127.0.0.1)");
        help.put("port", "port of the gateway (default 8000)");
        help.put("prefiller-hosts", "hosts of the prefill nodes");
        help.put("prefiller-ports", "their ports, in the same order");
        help.put("decoder-hosts", "hosts of the decode nodes");
        help.put("decoder-ports", "their ports, in the same order");
        help.put("max-retries", "prefill nodes that are asked for one request (default 3)");
        help.put("retry-delay", "seconds before the second attempt; doubles (default 0.001)");
        help.put(
                "local-prefill",
                "allow | refuse: what happens when a prompt cannot be computed on a prefill node (default allow)");
        help.put("max-concurrent-requests", "requests in flight; one more gets 503 (default 4096)");
        help.put("event-loops", "threads that relay (default 2)");
        return help;
    }

    static String usage() {
        var text = new StringBuilder("usage: tandem proxy [flags]\n\n");
        HELP.forEach((name, line) -> text.append(String.format("  --%-26s %s%n", name, line)));
        return text.append(
                        "  --allow-client-kv-transfer-params  clients may send kv_transfer_params; dropped otherwise\n")
                .toString();
    }

    /**
     * Reads the words behind {@code tandem proxy}.
     *
     * @throws FlagException with all problems
     */
    static GatewayConfig parse(List<String> words) {
        var flags = new ProxyFlags();
        flags.read(words);
        GatewayLimits limits = GatewayLimits.DEFAULT;
        var lists = new NodeLists(
                flags.texts("prefiller-hosts", NodeLists.DEFAULT.prefillHosts()),
                flags.ports("prefiller-ports", NodeLists.DEFAULT.prefillPorts()),
                flags.texts("decoder-hosts", NodeLists.DEFAULT.decodeHosts()),
                flags.ports("decoder-ports", NodeLists.DEFAULT.decodePorts()));
        var listen = new HttpAddress(flags.text("host", "127.0.0.1"), flags.whole("port", 8000));
        var retry = new RetrySettings(flags.whole("max-retries", 3), flags.seconds("retry-delay", "0.001"));
        var policies = new GatewayPolicies(
                flags.localPrefill(),
                flags.values.containsKey("allow-client-kv-transfer-params"),
                GatewayPolicies.DEFAULT.probes());
        var bounds = new GatewayLimits(
                flags.whole("event-loops", limits.eventLoops()),
                limits.maxBodyBytes(),
                flags.whole("max-concurrent-requests", limits.maxConcurrentRequests()),
                limits.silenceTimeout(),
                limits.closeTimeout());
        if (!flags.problems.isEmpty()) {
            throw new FlagException(flags.problems);
        }
        try {
            return new GatewayConfig(listen, lists, retry, policies, bounds);
        } catch (IllegalArgumentException e) {
            throw new FlagException(List.of(String.valueOf(e.getMessage()).split("\n", -1)));
        }
    }

    private void read(List<String> words) {
        int at = 0;
        while (at < words.size()) {
            String word = words.get(at++);
            if (!word.startsWith("--")) {
                problems.add(word + " belongs to no flag; lists are separated by blanks");
                continue;
            }
            int equals = word.indexOf('=');
            String spelled =
                    word.substring(2, equals < 0 ? word.length() : equals).replace('_', '-');
            if (spelled.equals("allow-client-kv-transfer-params")) {
                values.put(spelled, List.of());
                continue;
            }
            var taken = new ArrayList<String>();
            if (equals >= 0) {
                taken.add(word.substring(equals + 1));
            }
            while (equals < 0 && at < words.size() && !words.get(at).startsWith("--")) {
                taken.add(words.get(at++));
            }
            put(spelled, taken);
        }
    }

    private void put(String spelled, List<String> taken) {
        List<String> fitting = HELP.containsKey(spelled)
                ? List.of(spelled)
                : HELP.keySet().stream()
                        .filter(name -> name.startsWith(spelled))
                        .toList();
        if (fitting.size() != 1) {
            problems.add("unknown flag --" + spelled + "; "
                    + (fitting.isEmpty()
                            ? "the nearest is --" + Nearest.of(spelled, HELP.keySet())
                            : "it may mean " + fitting));
        } else if (taken.isEmpty()) {
            problems.add("--" + fitting.getFirst() + " needs a value");
        } else {
            values.put(fitting.getFirst(), taken);
        }
    }

    private String text(String name, String absent) {
        return values.getOrDefault(name, List.of(absent)).getLast();
    }

    private List<String> texts(String name, List<String> absent) {
        return values.getOrDefault(name, absent);
    }

    private int whole(String name, int absent) {
        return number(name, text(name, Integer.toString(absent)));
    }

    private List<Integer> ports(String name, List<Integer> absent) {
        List<String> given = values.get(name);
        if (given == null) {
            return absent;
        }
        return given.stream().map(text -> number(name, text)).toList();
    }

    private int number(String name, String text) {
        long value = WholeNumber.parse(text).orElse(-1L);
        if (value < 0 || value > Integer.MAX_VALUE) {
            problems.add("--" + name + " must be a whole number, not " + text);
            return 1;
        }
        return (int) value;
    }

    private Duration seconds(String name, String absent) {
        String text = text(name, absent);
        try {
            return Duration.ofNanos((long) (Double.parseDouble(text) * 1e9));
        } catch (NumberFormatException e) {
            problems.add("--" + name + " must be a number of seconds, not " + text);
            return Duration.ZERO;
        }
    }

    private LocalPrefillPolicy localPrefill() {
        String text = text("local-prefill", "allow");
        for (LocalPrefillPolicy policy : LocalPrefillPolicy.values()) {
            if (policy.name().toLowerCase(java.util.Locale.ROOT).equals(text)) {
                return policy;
            }
        }
        problems.add("--local-prefill must be allow or refuse, not " + text);
        return LocalPrefillPolicy.ALLOW;
    }
}
