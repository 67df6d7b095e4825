package dev.tandem.preflight.script.rule;

import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import dev.tandem.preflight.ranktable.RankTableFlags;
import dev.tandem.preflight.script.command.Call;
import dev.tandem.preflight.script.command.Call.Origin;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.NodeStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.shell.Scene;
import dev.tandem.preflight.script.shell.SourceLocation;
import dev.tandem.preflight.script.shell.Word;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** The command that writes a rank table against the nodes that read it. */
final class TableRules {
    private static final String PATH = "DISAGGREGATED_PREFILL_RANK_TABLE_PATH";
    private static final List<String> CARDS = List.of("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "HCCL_SOCKET_IFNAME");
    private static final int CLOSE_NAME = 2;

    private final ScriptedDeployment deployment;
    private final Findings findings;

    private TableRules(ScriptedDeployment deployment, Findings findings) {
        this.deployment = deployment;
        this.findings = findings;
    }

    static void check(ScriptedDeployment deployment, Findings findings) {
        var rules = new TableRules(deployment, findings);
        deployment.tables().forEach(rules::check);
        if (deployment.tables().isEmpty()) {
            rules.readers().forEach(rules::requireFile);
        }
    }

    /** Nodes that find their peers by rank table. */
    private List<NodeStart> readers() {
        return deployment.nodes().stream()
                .filter(node -> node.handoff().isPresent() && !node.isFoundByTicket())
                .toList();
    }

    private void requireFile(NodeStart node) {
        Optional<String> path = path(node);
        boolean isHere = node.host().filter(NodeEnvironment::isHere).isPresent();
        if (isHere
                && path.isPresent()
                && !Files.exists(
                        Path.of(resolved(path.get(), node.call().command().scene())))) {
            findings.error(
                    node.call().ofVariable(PATH),
                    PATH + "=" + path.get() + ": there is no such file on this machine",
                    "write it with tandem ranktable --output " + path.get());
        }
    }

    private static Optional<String> path(NodeStart node) {
        Scene scene = node.call().command().scene();
        return Optional.ofNullable(scene.environment().get(PATH))
                .filter(path -> !path.isBlank() && !scene.isUnknown(path));
    }

    private void check(Call call) {
        RankTableFlags flags;
        try {
            flags = RankTableFlags.parse(call.words(), false);
        } catch (FlagException e) {
            call.refuse(e.problems(), findings);
            return;
        }
        if (call.origin() != Origin.TANDEM) {
            notePitfalls(call);
        }
        flags.plan().notes().forEach(note -> findings.note(call.location(), note));
        ranks(call, "prefill", flags.plan().counts().prefill());
        ranks(call, "decode", flags.plan().counts().decode());
        addresses(call, flags.plan().nodes());
        readers().forEach(node -> {
            flags.here().card().ifPresent(card -> networkCard(call, card, node));
            paths(call, node);
        });
    }

    private void notePitfalls(Call call) {
        findings.note(
                call.location(),
                "gen_ranktable.sh does not notice a wrong --network-card-name at once; tandem ranktable takes the same"
                        + " flags and refuses it before anything is written");
        if (call.has("local-device-ids")) {
            findings.note(
                    call.at("local-device-ids"),
                    "gen_ranktable.py of v0.11.0rc1 ends with a TypeError on --local-device-ids; tandem ranktable reads"
                            + " them");
        }
    }

    private void ranks(Call call, String side, long devices) {
        List<NodeStart> nodes = readers().stream()
                .filter(node -> side.equals("prefill") ? node.isPrefill() : node.isDecode())
                .toList();
        int ranks =
                nodes.stream().mapToInt(node -> node.parallel().localRanks()).sum();
        if (!nodes.isEmpty() && deployment.isWhole() && ranks > devices) {
            findings.error(
                    call.at(side + "-device-cnt"),
                    "--" + side + "-device-cnt " + devices + ", and the " + side + " nodes run " + ranks + " ranks",
                    "each rank needs a device: --" + side + "-device-cnt " + ranks);
        } else if (!nodes.isEmpty() && deployment.isWhole() && ranks < devices) {
            findings.note(
                    call.at(side + "-device-cnt"),
                    "--" + side + "-device-cnt " + devices + ", and the " + side + " nodes of these scripts run "
                            + ranks + " ranks");
        }
    }

    private void addresses(Call call, List<String> ips) {
        SourceLocation location = call.at("ips");
        int lastPrefill = -1;
        int firstDecode = Integer.MAX_VALUE;
        for (NodeStart node : readers()) {
            Optional<String> host = node.host();
            int at = host.map(ips::indexOf).orElse(-1);
            if (host.isPresent() && at < 0) {
                findings.error(
                        location,
                        "--ips lacks " + host.get() + ", the address of the node of " + node.location(),
                        "list each node's own address");
            } else if (at >= 0 && node.isPrefill()) {
                lastPrefill = Math.max(lastPrefill, at);
            } else if (at >= 0) {
                firstDecode = Math.min(firstDecode, at);
            }
        }
        if (lastPrefill > firstDecode) {
            findings.error(
                    location,
                    "--ips has the decode node " + ips.get(firstDecode) + " in front of the prefill node "
                            + ips.get(lastPrefill),
                    "list prefill nodes first: devices are dealt out in this order");
        }
    }

    private void networkCard(Call call, String card, NodeStart node) {
        for (String name : CARDS) {
            String value = node.call().command().scene().environment().getOrDefault(name, card);
            if (!List.of(value.replaceFirst("^=", "").split(",", -1)).contains(card)
                    && !(name.startsWith("HCCL") && card.startsWith(value))) {
                findings.warning(
                        call.at("network-card-name"),
                        "--network-card-name " + card + ", and " + name + "=" + value + " in " + node.location(),
                        "name the card that the node's address is on");
                return;
            }
        }
    }

    // ---- where the file is

    private void paths(Call call, NodeStart node) {
        Optional<String> read = path(node);
        String output = call.valueOf("output").map(Word::text).orElse("ranktable.json");
        String written = resolved(output, call.command().scene());
        if (read.isEmpty() || call.command().scene().isUnknown(written) || isSame(written, read.get())) {
            return;
        }
        String fix = call.origin() == Origin.TANDEM
                ? "--output " + read.get() + ", or export " + PATH + " with the path where it is"
                : "export " + PATH + " with the path where it is, or tandem ranktable --output " + read.get();
        String slip = slip(written, read.get())
                .map(pair -> ": " + pair + ", the folder is spelled in two ways")
                .orElse("");
        findings.warning(
                node.call().ofVariable(PATH),
                "the rank table is read from " + read.get() + " and written to " + written + " by " + call.location()
                        + slip,
                fix);
    }

    private static String resolved(String path, Scene scene) {
        String folder = scene.folder();
        String plain = path.replaceFirst("^\\./", "");
        return plain.startsWith("/") || folder.isEmpty() ? plain : folder + "/" + plain;
    }

    /** A path that does not begin at the root is the end of one that does. */
    private static boolean isSame(String written, String read) {
        return written.equals(read) || (!written.startsWith("/") && read.endsWith("/" + written));
    }

    /** Two names at the same distance from the end that are nearly alike. */
    private static Optional<String> slip(String written, String read) {
        String[] theirs = written.split("/", -1);
        String[] ours = read.split("/", -1);
        for (int i = 1; i <= Math.min(theirs.length, ours.length); i++) {
            String one = theirs[theirs.length - i];
            String other = ours[ours.length - i];
            if (!one.equals(other)) {
                return Nearest.distance(one, other) <= CLOSE_NAME
                        ? Optional.of(one + " and " + other)
                        : Optional.empty();
            }
        }
        return Optional.empty();
    }
}
