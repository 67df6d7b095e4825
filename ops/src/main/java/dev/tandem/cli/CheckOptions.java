package dev.tandem.cli;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import dev.tandem.ops.check.CheckRequest;
import dev.tandem.ops.check.CheckRequest.Peers;
import dev.tandem.ops.check.CheckRequest.Remote;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.npu.DeviceRequest;
import dev.tandem.preflight.npu.NpuPlan;
import dev.tandem.preflight.ranktable.DeviceKind;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The command line of {@code tandem check}, read.
 *
 * @param positional the topology, where one is given
 * @param values of each flag, in the order in which they were given; switches have none
 * @param serve arguments of {@code serve} behind {@code --}
 */
record CheckOptions(Optional<String> positional, Map<String, List<String>> values, List<String> serve) {
    static final String USAGE = """
            usage: tandem check                                  this node alone
                   tandem check -- CHECKPOINT [flags of serve]   this node, and what a node with these arguments needs
                   tandem check TOPOLOGY                         the file, and every node of it that is here
                   tandem check [TOPOLOGY] --peers [IP...]       with the network: started on each node with the same arguments
                   tandem check [TOPOLOGY] --peers IP... --ssh [USER@]   the same, started once
                   tandem check --script FILE...                 start scripts, read and not run

              --peers          addresses of all nodes, the same everywhere, first the one where they meet; none: those of TOPOLOGY
              --local-ip       which of them this process is, where the machine has several
              --meet-port      port of the first address where they meet (default 6658)
              --deadline       seconds to wait for the others, and for each round of measuring (default 120)
              --ports          ports to try between the nodes, as 8004,30000-30015; beside those of TOPOLOGY
              --device         auto, cpu, a2 or a3: which devices to ask (default auto: a2 or a3 where hccn_tool is)
              --devices        number of devices (default: those of /dev/davinci*)
              --ranktable      rank table file whose device addresses are pinged, instead of what the peers say
              --query-limit    seconds for one run of hccn_tool or npu-smi (default 10)
              --parallel       runs of them at a time (default 8)
              --ssh            run the check of every peer that is another machine through ssh, without questions
              --remote-tandem  the program there (default tandem)
              --json           one JSON object per finding, then one with the sum

            exit status: 0 nothing is red, 1 something is, 2 the command line is wrong
            """;
    private static final Set<String> LISTS = Set.of("peers", "script");
    private static final Set<String> SINGLE = Set.of(
            "local-ip",
            "meet-port",
            "deadline",
            "ports",
            "device",
            "devices",
            "ranktable",
            "query-limit",
            "parallel",
            "remote-tandem");
    private static final Set<String> SWITCHES = Set.of("json", "tables");
    /** What the checks of other machines are told too. */
    private static final List<String> PASSED =
            List.of("meet-port", "deadline", "ports", "device", "devices", "ranktable", "query-limit", "parallel");

    private static final int MEET_PORT = 6_658;
    private static final int DEADLINE_SECONDS = 120;
    private static final int MAX_SECONDS = 86_400;
    private static final int MAX_PORT = 65_535;
    private static final int MAX_DEVICES = 256;
    private static final int QUERY_SECONDS = 10;
    private static final int MAX_QUERY_SECONDS = 600;
    private static final int PARALLEL = 8;
    private static final int MAX_PARALLEL = 64;

    static CheckOptions of(List<String> words) {
        int end = words.indexOf("--");
        List<String> own = end < 0 ? words : words.subList(0, end);
        List<String> serve = end < 0 ? List.of() : words.subList(end + 1, words.size());
        if (end >= 0 && serve.isEmpty()) {
            throw new FlagException("the arguments of serve behind -- are missing\n" + USAGE);
        }
        var positional = new ArrayList<String>();
        var values = new LinkedHashMap<String, List<String>>();
        for (int i = 0; i < own.size(); ) {
            i = take(own, i, positional, values);
        }
        if (positional.size() > 1) {
            throw new FlagException("give one topology file, not " + positional + "\n" + USAGE);
        }
        return new CheckOptions(positional.stream().findFirst(), values, serve);
    }

    /** Takes a word and what belongs to it; gives the place behind. */
    private static int take(List<String> words, int at, List<String> positional, Map<String, List<String>> values) {
        String word = words.get(at);
        if (!word.startsWith("--")) {
            positional.add(word);
            return at + 1;
        }
        String name = word.substring(2).replace('_', '-');
        int next = at + 1;
        if (LISTS.contains(name)) {
            while (next < words.size() && !words.get(next).startsWith("--")) {
                next++;
            }
        } else if (SINGLE.contains(name)) {
            if (next == words.size()) {
                throw new FlagException(word + " needs a value\n" + USAGE);
            }
            next++;
        } else if (name.equals("ssh")) {
            next += next < words.size() && words.get(next).endsWith("@") ? 1 : 0;
        } else if (!SWITCHES.contains(name)) {
            var known = new ArrayList<>(LISTS);
            known.addAll(SINGLE);
            known.addAll(List.of("ssh", "json"));
            throw new FlagException(
                    "unknown flag " + word + "; the nearest is --" + Nearest.of(name, known) + "\n" + USAGE);
        }
        if (values.put(name, List.copyOf(words.subList(at + 1, next))) != null) {
            throw new FlagException(word + " is given twice\n" + USAGE);
        }
        return next;
    }

    /** Refuses wrong values whether or not this call comes to use them. */
    void requireUsable() {
        request();
        if (has("ssh") && !has("peers")) {
            throw new FlagException("--ssh needs --peers, the machines to go to");
        }
        if (!serve.isEmpty() && (positional.isPresent() || has("ssh"))) {
            throw new FlagException("arguments of serve behind -- are of this machine's node: leave out "
                    + (has("ssh") ? "--ssh" : positional.orElseThrow()));
        }
    }

    /** The scripts to read. */
    List<Path> scripts() {
        if (list("script").isEmpty()) {
            throw new FlagException("--script needs the paths of start scripts");
        }
        if (positional.isPresent() || has("peers") || !serve.isEmpty()) {
            throw new FlagException("--script reads scripts and nothing else: leave out the topology, --peers and --");
        }
        return list("script").stream().map(Path::of).toList();
    }

    /** What machines are to be looked at for. */
    CheckRequest request() {
        return new CheckRequest(positional, serve, text("ports"), devices(), peers());
    }

    private DeviceRequest devices() {
        String device = text("device").orElse("auto").toLowerCase(Locale.ROOT);
        Optional<DeviceKind> kind = DeviceKind.of(device);
        if (kind.isEmpty() && !device.equals("auto")) {
            throw new FlagException("--device must be auto, cpu, a2 or a3, not " + device);
        }
        int count = whole("devices", 1, MAX_DEVICES, 0);
        return new DeviceRequest(
                kind,
                count == 0 ? OptionalInt.empty() : OptionalInt.of(count),
                new NpuPlan.Bounds(
                        seconds("query-limit", MAX_QUERY_SECONDS, QUERY_SECONDS),
                        whole("parallel", 1, MAX_PARALLEL, PARALLEL)));
    }

    private Optional<Peers> peers() {
        var peers = new Peers(
                list("peers"),
                text("local-ip"),
                whole("meet-port", 1, MAX_PORT, MEET_PORT),
                seconds("deadline", MAX_SECONDS, DEADLINE_SECONDS),
                text("ranktable").map(Path::of),
                remote());
        return has("peers") ? Optional.of(peers) : Optional.empty();
    }

    private Optional<Remote> remote() {
        String user = text("ssh").orElse("");
        if (!Ssh.isUser(user)) {
            throw new FlagException("--ssh " + user + " is not a user such as root@");
        }
        var passed = new ArrayList<String>();
        for (String name : PASSED) {
            text(name).ifPresent(value -> passed.addAll(List.of("--" + name, value)));
        }
        return has("ssh")
                ? Optional.of(
                        new Remote(new Ssh("ssh", user), text("remote-tandem").orElse("tandem"), passed))
                : Optional.empty();
    }

    boolean has(String name) {
        return values.containsKey(name);
    }

    List<String> list(String name) {
        return values.getOrDefault(name, List.of());
    }

    Optional<String> text(String name) {
        return list(name).stream().findFirst();
    }

    int whole(String name, int min, int max, int absent) {
        Optional<String> text = text(name);
        if (text.isEmpty()) {
            return absent;
        }
        try {
            int value = Integer.parseInt(text.get());
            if (value >= min && value <= max) {
                return value;
            }
        } catch (NumberFormatException e) {
            throw new FlagException("--" + name + " must be a whole number, not " + text.get());
        }
        throw new FlagException("--" + name + " " + text.get() + " is outside [" + min + ", " + max + "]");
    }

    Duration seconds(String name, int max, int absent) {
        return Duration.ofSeconds(whole(name, 1, max, absent));
    }
}
