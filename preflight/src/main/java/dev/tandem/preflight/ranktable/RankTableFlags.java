package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Addresses;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.ranktable.RankTableRun.MeetingPlace;
import dev.tandem.preflight.words.ArgparseWords;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * The command line of {@code tandem ranktable}: the flags of gen_ranktable.sh, and our own.
 *
 * @param plan nodes and counts
 * @param here what holds for this host only
 * @param place of the meeting
 * @param file that is written
 * @param remote whom to start it on
 */
public record RankTableFlags(RankTablePlan plan, Here here, MeetingPlace place, RankTableFile file, Remote remote) {
    public static final String USAGE = """
            usage: tandem ranktable --ips IP… --npus-per-node N --network-card-name NIC
                                    --prefill-device-cnt N --decode-device-cnt N [--local-device-ids ID,ID…] [flags]

            Run it on each node at once, with the same arguments; nodes meet at the first address.

              --ips IP…               address of each node, prefill nodes first
              --npus-per-node N       devices of each node (default 8)
              --network-card-name NIC the card that has this node's address
              --prefill-device-cnt N  devices that prefill: the first ones, in the order of --ips
              --decode-device-cnt N   devices that decode: those behind them
              --local-device-ids …    this node's devices, in the order of its ranks (default 0,1,…); may differ from node to node
              --local-ip IP           which of --ips this node is, where its card has several
              --device KIND           cpu | a2 | a3 | auto (default: auto; a2 or a3 where hccn_tool is installed, else cpu)
              --output FILE           what is written (default ./ranktable.json)
              --force                 replace a file that holds another table; also by the variable GEN_RANKTABLE
              --ssh [USER@]           start it on all nodes from here, through ssh
              --remote-tandem PATH    the program on the other nodes (default tandem)
              --print                 with --ssh: show the commands, start nothing
              --meet-port PORT        where nodes meet (default 6657)
              --deadline SECONDS      longest time for all of it (default 120)
              --json                  report as one JSON object

            HCCN_TOOL_PATH names hccn_tool where it is in another place than the driver's folder or the PATH.
            """;
    private static final Set<String> FLAGS = Set.of(
            "ips",
            "npus-per-node",
            "network-card-name",
            "prefill-device-cnt",
            "decode-device-cnt",
            "local-device-ids",
            "local-ip",
            "device",
            "output",
            "remote-tandem",
            "meet-port",
            "deadline");
    private static final Set<String> SWITCHES = Set.of("force", "print", "json");
    private static final Set<String> LISTS = Set.of("ips", "local-device-ids");
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

    /**
     * Reads the words behind {@code tandem ranktable}.
     *
     * @param isForced by the environment
     * @throws FlagException with all problems
     */
    public static RankTableFlags parse(List<String> all, boolean isForced) {
        var remaining = new ArrayList<String>();
        Optional<String> user = takeUser(all, remaining);
        ArgparseWords words = ArgparseWords.read(remaining, FLAGS, SWITCHES);
        var read = new Reading(words, new ArrayList<>(words.problems()));
        read.requireSingle();
        var counts = new DeviceCounts(
                read.whole("npus-per-node", "8", Device.MAX_DEVICE_ID + 1),
                read.whole("prefill-device-cnt", "", Integer.MAX_VALUE),
                read.whole("decode-device-cnt", "", Integer.MAX_VALUE));
        var plan = new RankTablePlan(words.texts("ips", List.of()), counts);
        var here = new Here(
                read.optional("network-card-name"),
                read.optional("local-ip"),
                read.kind(),
                read.deviceIds(counts.perNode()),
                words.has("json"));
        var place = new MeetingPlace(
                read.whole("meet-port", "" + MeetingPlace.DEFAULT_PORT, 65_535),
                Duration.ofSeconds(
                        read.whole("deadline", "" + MeetingPlace.DEFAULT_LIMIT.toSeconds(), MAX_DEADLINE_S)));
        var remote = new Remote(user, words.text("remote-tandem", "tandem"), words.has("print"));
        read.require(plan, here, remote);
        var file = new RankTableFile(Path.of(words.text("output", "ranktable.json")), isForced || words.has("force"));
        return new RankTableFlags(plan, here, place, file, remote);
    }

    /** {@code --ssh} has a value or none. */
    private static Optional<String> takeUser(List<String> all, List<String> remaining) {
        Optional<String> user = Optional.empty();
        for (int index = 0; index < all.size(); index++) {
            String word = all.get(index);
            if (word.startsWith("--ssh=")) {
                user = Optional.of(word.substring("--ssh=".length()));
            } else if (word.equals("--ssh")) {
                boolean hasUser = index + 1 < all.size() && all.get(index + 1).endsWith("@");
                user = Optional.of(hasUser ? all.get(++index) : "");
            } else {
                remaining.add(word);
            }
        }
        return user;
    }

    /** The words for one node, as its own command line. */
    public List<String> wordsFor(String node, Optional<String> hccnTool) {
        var words = new ArrayList<String>();
        hccnTool.ifPresent(path -> words.addAll(List.of("env", "HCCN_TOOL_PATH=" + path)));
        words.addAll(List.of(remote.program(), "ranktable", "--ips"));
        words.addAll(plan.nodes());
        words.addAll(List.of("--npus-per-node", "" + plan.counts().perNode()));
        here.card().ifPresent(card -> words.addAll(List.of("--network-card-name", card)));
        words.addAll(List.of("--prefill-device-cnt", "" + plan.counts().prefill()));
        words.addAll(List.of("--decode-device-cnt", "" + plan.counts().decode()));
        words.addAll(List.of(
                "--local-device-ids",
                String.join(",", here.deviceIds().stream().map(String::valueOf).toList())));
        words.addAll(List.of("--local-ip", node));
        here.kind().ifPresent(kind -> words.addAll(List.of("--device", kind.word())));
        words.addAll(List.of("--output", file.path().toString()));
        words.addAll(List.of(
                "--meet-port",
                "" + place.port(),
                "--deadline",
                "" + place.limit().toSeconds()));
        if (file.isForced()) {
            words.add("--force");
        }
        return words;
    }

    /** Values of words, with the problems found on the way. */
    private record Reading(ArgparseWords words, List<String> problems) {
        void requireSingle() {
            for (Map.Entry<String, List<String>> flag : words.values().entrySet()) {
                if (flag.getValue().size() > 1 && !LISTS.contains(flag.getKey())) {
                    problems.add("--" + flag.getKey() + " takes one value, found " + flag.getValue());
                }
            }
        }

        Optional<String> optional(String name) {
            return words.has(name) ? Optional.of(words.text(name, "")) : Optional.empty();
        }

        int whole(String name, String absent, int max) {
            String text = words.text(name, absent);
            if (text.isEmpty()) {
                problems.add("--" + name + " is missing");
                return 1;
            }
            if (text.matches("[0-9]{1,9}") && Integer.parseInt(text) >= 1 && Integer.parseInt(text) <= max) {
                return Integer.parseInt(text);
            }
            problems.add("--" + name + " " + text + " is no whole number of 1 to " + max);
            return 1;
        }

        Optional<DeviceKind> kind() {
            String word = words.text("device", "auto");
            Optional<DeviceKind> kind = DeviceKind.of(word);
            if (kind.isEmpty() && !word.equals("auto")) {
                problems.add("--device " + word + " is not cpu, a2, a3 or auto");
            }
            return kind;
        }

        /** Separated by commas, as gen_ranktable.sh has them, or by blanks. */
        List<Integer> deviceIds(int perNode) {
            if (!words.has("local-device-ids")) {
                return IntStream.range(0, perNode).boxed().toList();
            }
            String text = String.join(",", words.texts("local-device-ids", List.of()));
            var ids = new ArrayList<Integer>();
            for (String part : text.split(",", -1)) {
                if (!part.matches("[0-9]{1,4}") || Integer.parseInt(part) > Device.MAX_DEVICE_ID) {
                    problems.add("--local-device-ids " + text + ": '" + part + "' is no number of 0 to "
                            + Device.MAX_DEVICE_ID);
                    return ids;
                }
                ids.add(Integer.parseInt(part));
            }
            if (new HashSet<>(ids).size() != ids.size()) {
                problems.add("--local-device-ids " + text + " has a device twice");
            }
            if (ids.size() != perNode) {
                problems.add(
                        "--local-device-ids " + text + " has " + ids.size() + " devices, --npus-per-node " + perNode);
            }
            return ids;
        }

        void require(RankTablePlan plan, Here here, Remote remote) {
            if (!words.has("ips")) {
                problems.add("--ips is missing");
            } else if (problems.isEmpty()) {
                problems.addAll(plan.problems());
            }
            if (here.card().isEmpty() && here.address().isEmpty()) {
                problems.add("--network-card-name is missing; ifconfig lists the cards");
            }
            here.address()
                    .filter(address -> !Addresses.isAddress(address))
                    .ifPresent(address -> problems.add("--local-ip '" + address + "' is no IPv4 or IPv6 address"));
            remote.user()
                    .filter(user -> !Ssh.isUser(user))
                    .ifPresent(user -> problems.add("--ssh " + user + " is no user@"));
            if (remote.isPrinted() && remote.user().isEmpty()) {
                problems.add("--print shows what --ssh would start; without --ssh nothing is started elsewhere");
            }
            if (!problems.isEmpty()) {
                throw new FlagException(problems);
            }
        }
    }
}
