package dev.tandem.cli;

import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.check.CheckRequest;
import dev.tandem.ops.check.CheckRequest.Peers;
import dev.tandem.ops.check.CheckRequest.Remote;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.network.PortRanges;
import dev.tandem.preflight.npu.DeviceRequest;
import dev.tandem.preflight.npu.NpuPlan;
import dev.tandem.preflight.ranktable.DeviceKind;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The command line of {@code tandem check}, read. */
final class CheckOptions {
    static final String SUMMARY = "look at machines, devices, network and scripts before anything starts";

    private static final String END = "--";
    private static final String PEERS = "--peers";
    private static final String LOCAL_IP = "--local-ip";
    private static final String MEET_PORT = "--meet-port";
    private static final String DEADLINE = "--deadline";
    private static final String PORTS = "--ports";
    private static final String DEVICE = "--device";
    private static final String DEVICES = "--devices";
    private static final String RANK_TABLE = "--ranktable";
    private static final String QUERY_LIMIT = "--query-limit";
    private static final String PARALLEL = "--parallel";
    private static final String SSH = "--ssh";
    private static final String REMOTE_TANDEM = "--remote-tandem";
    private static final String SCRIPT = "--script";
    private static final String JSON = "--json";
    private static final String TABLES = "--tables";

    private static final ITypeConverter<String> DEVICE_KINDS = Value.word("auto", "cpu", "a2", "a3");

    /** What the checks of other machines are told too. */
    private static final List<String> PASSED =
            List.of(MEET_PORT, DEADLINE, PORTS, DEVICE, DEVICES, RANK_TABLE, QUERY_LIMIT, PARALLEL);

    private static final int DEFAULT_MEET_PORT = 6_658;
    private static final Duration DEFAULT_DEADLINE = Duration.ofMinutes(2);
    private static final int MAX_SECONDS = 86_400;
    private static final int MAX_PORT = 65_535;
    private static final int MAX_DEVICES = 256;
    private static final Duration DEFAULT_QUERY_LIMIT = Duration.ofSeconds(10);
    private static final int MAX_QUERY_SECONDS = 600;
    private static final int DEFAULT_PARALLEL = 8;
    private static final int MAX_PARALLEL = 64;

    private final VerbArguments arguments;
    private final List<String> serve;

    private CheckOptions(VerbArguments arguments, List<String> serve) {
        this.arguments = arguments;
        this.serve = List.copyOf(serve);
    }

    static Grammar grammar() {
        Grammar grammar = new Grammar("check", SUMMARY)
                .once()
                .synopsis(
                        "tandem check                                         this node alone",
                        "       tandem check -- CHECKPOINT [flags of serve]          this node, and what such a node needs",
                        "       tandem check TOPOLOGY                                the file, and each of its nodes that is here",
                        "       tandem check [TOPOLOGY] --peers [IP...]              with the network: started on each node alike",
                        "       tandem check [TOPOLOGY] --peers IP... --ssh [USER@]  the same, started once",
                        "       tandem check --script FILE...                        start scripts, read and not run")
                .argument("TOPOLOGY", false, String.class, text -> text, "a topology file");
        return machines(devices(grammar))
                .list(SCRIPT, "FILE", "start scripts to read, and nothing else")
                .flag(JSON, "one JSON object per finding, then one with the sum")
                .hidden(TABLES)
                .footer("Exit status: 0 nothing is red, 1 something is, 2 invalid arguments.");
    }

    private static Grammar devices(Grammar grammar) {
        return grammar.option(
                        DEVICE,
                        "KIND",
                        String.class,
                        text -> DEVICE_KINDS.convert(text.toLowerCase(Locale.ROOT)),
                        "auto, cpu, a2 or a3: which devices to ask (default auto: a2 or a3 where hccn_tool is)")
                .option(
                        DEVICES,
                        "N",
                        Integer.class,
                        Value.count(1, MAX_DEVICES),
                        "number of devices (default: those of /dev/davinci*)")
                .option(
                        RANK_TABLE,
                        "FILE",
                        Path.class,
                        Path::of,
                        "rank table file whose device addresses are pinged, instead of what the peers say")
                .option(
                        QUERY_LIMIT,
                        "SECONDS",
                        Duration.class,
                        Value.wholeSeconds(MAX_QUERY_SECONDS),
                        "time for one run of hccn_tool or npu-smi (default 10)")
                .option(
                        PARALLEL,
                        "N",
                        Integer.class,
                        Value.count(1, MAX_PARALLEL),
                        "runs of them at a time (default 8)");
    }

    private static Grammar machines(Grammar grammar) {
        return grammar.list(
                        PEERS,
                        "IP",
                        "addresses of all nodes, the same everywhere, first the one where they meet; none: those of TOPOLOGY")
                .text(LOCAL_IP, "IP", "which of them this process is, where the machine has several")
                .option(
                        MEET_PORT,
                        "PORT",
                        Integer.class,
                        Value.count(1, MAX_PORT),
                        "port of the first address where they meet (default 6658)")
                .option(
                        DEADLINE,
                        "SECONDS",
                        Duration.class,
                        Value.wholeSeconds(MAX_SECONDS),
                        "time to wait for the others, and for each round of measuring (default 120)")
                .option(
                        PORTS,
                        "PORTS",
                        String.class,
                        CheckOptions::ports,
                        "ports to try between the nodes, as 8004,30000-30015; beside those of TOPOLOGY")
                .user(SSH, "run the check of every peer that is another machine through ssh, without questions")
                .text(REMOTE_TANDEM, "PROGRAM", "the program there (default tandem)");
    }

    private static String ports(String text) {
        try {
            PortRanges.parse(text);
            return text;
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(String.valueOf(e.getMessage()));
        }
    }

    /**
     * Reads the arguments behind {@code tandem check}; those behind {@code --} are {@code serve}'s.
     *
     * @throws FlagException with all problems, whether or not this call would come to use what is wrong
     */
    static CheckOptions of(List<String> all) {
        int end = all.indexOf(END);
        var options = new CheckOptions(
                grammar().read(end < 0 ? all : all.subList(0, end)),
                end < 0 ? List.of() : all.subList(end + 1, all.size()));
        if (!options.isHelpAsked()) {
            options.report(end >= 0);
            options.arguments.refuseProblems();
        }
        return options;
    }

    private void report(boolean hasEnd) {
        if (hasEnd && serve.isEmpty()) {
            arguments.problem("the arguments of serve behind -- are missing");
        }
        arguments
                .value(SSH, String.class)
                .filter(user -> !Ssh.isUser(user))
                .ifPresent(user -> arguments.problem("--ssh " + user + " is not a user such as root@"));
        if (arguments.has(SSH) && !arguments.has(PEERS)) {
            arguments.problem("--ssh needs --peers, the machines to go to");
        }
        List<String> peers = arguments.texts(PEERS);
        if (Set.copyOf(peers).size() < peers.size()) {
            arguments.problem("--peers names an address twice: " + peers);
        }
        arguments
                .value(LOCAL_IP, String.class)
                .filter(own -> !peers.isEmpty() && !peers.contains(own))
                .ifPresent(own -> arguments.problem("--local-ip " + own + " is none of the peers " + peers));
        if (!serve.isEmpty() && (topology().isPresent() || arguments.has(SSH))) {
            arguments.problem("arguments of serve behind -- are of this machine's node: leave out "
                    + (arguments.has(SSH) ? SSH : topology().orElseThrow()));
        }
        if (readsScripts() && scripts().isEmpty()) {
            arguments.problem("--script needs the paths of start scripts");
        }
        if (readsScripts() && (topology().isPresent() || arguments.has(PEERS) || !serve.isEmpty())) {
            arguments.problem("--script reads scripts and nothing else: leave out the topology, --peers and --");
        }
    }

    boolean isHelpAsked() {
        return arguments.isHelpAsked();
    }

    boolean isJson() {
        return arguments.has(JSON);
    }

    /** Whether the lines for another {@code check} are asked for, which has the tables too. */
    boolean hasTables() {
        return arguments.has(TABLES);
    }

    /** Whether start scripts are looked at, and no machine. */
    boolean readsScripts() {
        return arguments.has(SCRIPT);
    }

    List<Path> scripts() {
        return arguments.values(SCRIPT, Path::of);
    }

    private Optional<String> topology() {
        return arguments.argument(0, String.class);
    }

    /** What machines are to be looked at for. */
    CheckRequest request() {
        return new CheckRequest(
                topology(),
                serve,
                arguments.value(PORTS, String.class).map(PortRanges::parse).orElse(List.of()),
                deviceRequest(),
                peers());
    }

    private DeviceRequest deviceRequest() {
        Optional<Integer> count = arguments.value(DEVICES, Integer.class);
        return new DeviceRequest(
                arguments.value(DEVICE, String.class).flatMap(DeviceKind::of),
                count.isPresent() ? OptionalInt.of(count.get()) : OptionalInt.empty(),
                new NpuPlan.Bounds(
                        arguments.value(QUERY_LIMIT, Duration.class).orElse(DEFAULT_QUERY_LIMIT),
                        arguments.value(PARALLEL, Integer.class).orElse(DEFAULT_PARALLEL)));
    }

    private Optional<Peers> peers() {
        if (!arguments.has(PEERS)) {
            return Optional.empty();
        }
        return Optional.of(new Peers(
                arguments.texts(PEERS),
                arguments.value(LOCAL_IP, String.class),
                arguments.value(MEET_PORT, Integer.class).orElse(DEFAULT_MEET_PORT),
                arguments.value(DEADLINE, Duration.class).orElse(DEFAULT_DEADLINE),
                arguments.value(RANK_TABLE, Path.class),
                arguments.value(SSH, String.class).map(this::remote)));
    }

    private Remote remote(String user) {
        var passed = new ArrayList<String>();
        for (String name : PASSED) {
            arguments.text(name).ifPresent(value -> passed.addAll(List.of(name, value)));
        }
        return new Remote(
                new Ssh("ssh", user),
                arguments.value(REMOTE_TANDEM, String.class).orElse("tandem"),
                passed);
    }
}
