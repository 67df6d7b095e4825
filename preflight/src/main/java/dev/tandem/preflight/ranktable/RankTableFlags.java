package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Addresses;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.node.flags.FlagArguments;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.FlagTable;
import dev.tandem.node.flags.FlagTable.Habit;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.ranktable.RankTableRun.Rendezvous;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The command line of {@code tandem ranktable}: the flags of gen_ranktable.sh, and our own.
 *
 * @param plan nodes and counts
 * @param here what holds for this host only
 * @param rendezvous of the nodes
 * @param file that is written
 * @param remote whom to start it on
 */
public record RankTableFlags(RankTablePlan plan, Here here, Rendezvous rendezvous, RankTableFile file, Remote remote) {
    private static final FlagTable TABLE = FlagTable.of(Habit.ARGPARSE, """
            Nodes:
              + ips texts: address of each node, prefill nodes first
              + npus-per-node whole: devices of each node (default 8)
              + prefill-device-cnt whole: devices that prefill: the first ones, in the order of --ips
              + decode-device-cnt whole: devices that decode: those behind them

            This node:
              + network-card-name text: the card that has this node's address
              + local-device-ids texts: this node's devices, in the order of its ranks (default 0,1,…); may differ from node to node
              + local-ip text: which of --ips this node is, where its card has several
              + device text: cpu | a2 | a3 | auto (default: auto; a2 or a3 where hccn_tool is installed, else cpu)

            Run:
              + output text: file that is written (default ./ranktable.json)
              + force switch: replace a file that holds another table; also by the variable GEN_RANKTABLE
              + meet-port whole: port of the first node where all of them meet (default 6657)
              + deadline whole: longest time for all of it, seconds (default 120)
              + json switch: report as one JSON object

            Other nodes:
              + ssh user: start it on all nodes from here, through ssh, as a user@ or as oneself
              + remote-tandem text: the program on the other nodes (default tandem)
              + print switch: with --ssh: show the commands, start nothing
            """);

    private static final int MAX_DEADLINE_S = 86_400;

    /**
     * What holds for this host only.
     *
     * @param card {@code --network-card-name}
     * @param address {@code --local-ip}
     * @param kind {@code --device}; empty is auto
     * @param deviceIds of its ranks
     * @param isJson how to report
     */
    public record Here(
            Optional<String> card,
            Optional<String> address,
            Optional<DeviceKind> kind,
            List<Integer> deviceIds,
            boolean isJson) {}

    /**
     * Whom to start it on.
     *
     * @param user {@code user@} or nothing; empty: on nobody
     * @param program there
     * @param isPrinted whether only to show it
     */
    public record Remote(Optional<String> user, String program, boolean isPrinted) {}

    /** The flags of {@code ranktable}. */
    public static FlagTable table() {
        return TABLE;
    }

    /** The help. */
    public static String help() {
        return """
                usage: tandem ranktable --ips IP… --npus-per-node N --network-card-name NIC
                                        --prefill-device-cnt N --decode-device-cnt N [--local-device-ids ID,ID…] [flags]

                Run it on each node at once, with the same arguments; nodes meet at the first address.
                """ + TABLE.help() + """

                HCCN_TOOL_PATH names hccn_tool where it is in another place than the driver's folder or the PATH.
                """;
    }

    /**
     * Reads the arguments behind {@code tandem ranktable}.
     *
     * @param isForced by the environment
     * @throws FlagException with all problems
     */
    public static RankTableFlags parse(List<String> arguments, boolean isForced) {
        FlagArguments line = FlagArguments.read(TABLE, arguments);
        RankTablePlan plan = plan(line);
        var here = new Here(
                line.text("network-card-name"),
                line.text("local-ip"),
                kind(line),
                deviceIds(line, plan.counts().perNode()),
                line.isOn("json", false));
        var rendezvous = new Rendezvous(
                line.whole("meet-port", 1, 65_535, Rendezvous.DEFAULT_PORT),
                Duration.ofSeconds(
                        line.whole("deadline", 1, MAX_DEADLINE_S, (int) Rendezvous.DEFAULT_LIMIT.toSeconds())));
        var remote =
                new Remote(line.text("ssh"), line.text("remote-tandem").orElse("tandem"), line.isOn("print", false));
        report(line, here, remote);
        line.refuseProblems();
        var file = new RankTableFile(
                Path.of(line.text("output").orElse("ranktable.json")), isForced || line.isOn("force", false));
        return new RankTableFlags(plan, here, rendezvous, file, remote);
    }

    /** The nodes and counts; they are compared only when all of them can be used. */
    private static RankTablePlan plan(FlagArguments line) {
        List<String> missing = Stream.of("ips", "prefill-device-cnt", "decode-device-cnt")
                .filter(name -> !line.has(name))
                .toList();
        missing.forEach(name -> line.problem("--" + name + " is missing"));
        int reported = line.problemCount();
        var counts = new DeviceCounts(
                line.whole("npus-per-node", 1, Device.MAX_DEVICE_ID + 1, 8),
                line.whole("prefill-device-cnt", 1, Integer.MAX_VALUE, 1),
                line.whole("decode-device-cnt", 1, Integer.MAX_VALUE, 1));
        var plan = new RankTablePlan(line.texts("ips"), counts);
        if (missing.isEmpty() && line.problemCount() == reported) {
            plan.problems().forEach(line::problem);
        }
        return plan;
    }

    /** Empty is auto. */
    private static Optional<DeviceKind> kind(FlagArguments line) {
        return DeviceKind.of(line.word("device", List.of("cpu", "a2", "a3", "auto"), "auto"));
    }

    /** Separated by commas, as gen_ranktable.sh has them, or by blanks. */
    private static List<Integer> deviceIds(FlagArguments line, int perNode) {
        if (!line.has("local-device-ids")) {
            return IntStream.range(0, perNode).boxed().toList();
        }
        String text = String.join(",", line.texts("local-device-ids"));
        String flag = "--local-device-ids " + text;
        var ids = new ArrayList<Integer>();
        for (String part : text.split(",", -1)) {
            if (!part.matches("[0-9]{1,4}") || Integer.parseInt(part) > Device.MAX_DEVICE_ID) {
                line.problem(flag + ": '" + part + "' is not a number of 0 to " + Device.MAX_DEVICE_ID);
                return ids;
            }
            ids.add(Integer.parseInt(part));
        }
        if (new HashSet<>(ids).size() != ids.size()) {
            line.problem(flag + " has a device twice");
        }
        if (ids.size() != perNode) {
            line.problem(flag + " has " + ids.size() + " devices, --npus-per-node " + perNode);
        }
        return ids;
    }

    private static void report(FlagArguments line, Here here, Remote remote) {
        if (here.card().isEmpty() && here.address().isEmpty()) {
            line.problem("--network-card-name is missing; ifconfig lists the cards");
        }
        here.address()
                .filter(address -> !Addresses.isAddress(address))
                .ifPresent(address -> line.problem("--local-ip '" + address + "' is not an IPv4 or IPv6 address"));
        remote.user()
                .filter(user -> !Ssh.isUser(user))
                .ifPresent(user -> line.problem("--ssh " + user + " is not a user@"));
        if (remote.isPrinted() && remote.user().isEmpty()) {
            line.problem("--print shows what --ssh would start; without --ssh nothing is started elsewhere");
        }
    }

    /** The command line for one node. */
    public List<String> argumentsFor(String node, Optional<String> hccnTool) {
        var arguments = new ArrayList<String>();
        hccnTool.ifPresent(path -> arguments.addAll(List.of("env", "HCCN_TOOL_PATH=" + path)));
        arguments.addAll(List.of(remote.program(), "ranktable", "--ips"));
        arguments.addAll(plan.nodes());
        arguments.addAll(List.of("--npus-per-node", "" + plan.counts().perNode()));
        here.card().ifPresent(card -> arguments.addAll(List.of("--network-card-name", card)));
        arguments.addAll(List.of("--prefill-device-cnt", "" + plan.counts().prefill()));
        arguments.addAll(List.of("--decode-device-cnt", "" + plan.counts().decode()));
        arguments.addAll(List.of(
                "--local-device-ids",
                String.join(",", here.deviceIds().stream().map(String::valueOf).toList())));
        arguments.addAll(List.of("--local-ip", node));
        here.kind().ifPresent(kind -> arguments.addAll(List.of("--device", kind.word())));
        arguments.addAll(List.of("--output", file.path().toString()));
        arguments.addAll(List.of(
                "--meet-port",
                "" + rendezvous.port(),
                "--deadline",
                "" + rendezvous.limit().toSeconds()));
        if (file.isForced()) {
            arguments.add("--force");
        }
        return arguments;
    }
}
