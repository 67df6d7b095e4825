package dev.tandem.cli;

import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.TrustSettings;
import dev.tandem.preflight.host.HostBarrierException;
import dev.tandem.preflight.host.RemoteRun;
import dev.tandem.preflight.host.RemoteRun.NodeCommand;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.host.Tool.Outcome;
import dev.tandem.preflight.ranktable.AscendTools;
import dev.tandem.preflight.ranktable.DeviceException;
import dev.tandem.preflight.ranktable.DeviceKind;
import dev.tandem.preflight.ranktable.DeviceSource;
import dev.tandem.preflight.ranktable.HostNetwork;
import dev.tandem.preflight.ranktable.LocalNodes;
import dev.tandem.preflight.ranktable.RankTableFlags;
import dev.tandem.preflight.ranktable.RankTableRun;
import dev.tandem.preflight.ranktable.RankTableRun.Result;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import picocli.CommandLine.Model.CommandSpec;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@code tandem ranktable}: makes the rank table of a deployment, on each node at once or from one place. */
final class RankTableCommand implements Verb {
    private static final Path DRIVER_TOOL = Path.of("/usr/local/Ascend/driver/tools/hccn_tool");
    private static final Duration QUERY_LIMIT = Duration.ofSeconds(10);
    private static final String NPU_SMI = "npu-smi";

    @Override
    public String summary() {
        return "make the rank table of LLMDataDist nodes";
    }

    @Override
    public CommandSpec spec() {
        return ForeignGrammar.spec(RankTableFlags.table());
    }

    @Override
    public int run(List<String> arguments) throws IOException, InterruptedException {
        Optional<String> help = ForeignGrammar.help(arguments, RankTableFlags.table(), RankTableFlags.help());
        if (help.isPresent()) {
            System.out.print(help.get());
            return Exit.WELL;
        }
        Map<String, String> environment = System.getenv();
        boolean isForced = !environment.getOrDefault("GEN_RANKTABLE", "").isEmpty();
        RankTableFlags flags = RankTableFlags.parse(arguments, isForced);
        flags.plan().notes().forEach(note -> Exit.say(note));
        Optional<String> hccnTool = hccnTool(environment);
        var source = new DeviceSource(
                flags.here().kind(),
                flags.here().deviceIds(),
                hccnTool.map(tool -> new AscendTools(tool, NPU_SMI, QUERY_LIMIT)));
        var run = new RankTableRun(
                flags.plan(),
                source,
                flags.file(),
                flags.rendezvous().with(TrustSettings.open(environment).secret()));
        try {
            return flags.remote().user().isPresent()
                    ? fromHere(flags, run, environment)
                    : report(flags, run.run(local(flags, HostNetwork.here()), new Progress()));
        } catch (RankTableException | DeviceException | HostBarrierException e) {
            Exit.say(e.getMessage());
            return Exit.FAILED;
        }
    }

    /** Its path or name; empty where it is not installed. */
    private static Optional<String> hccnTool(Map<String, String> environment) {
        String told = environment.getOrDefault("HCCN_TOOL_PATH", "");
        if (!told.isEmpty()) {
            return Optional.of(told);
        }
        if (Files.isExecutable(DRIVER_TOOL)) {
            return Optional.of(DRIVER_TOOL.toString());
        }
        for (String folder : environment.getOrDefault("PATH", "").split(":", -1)) {
            if (!folder.isEmpty() && Files.isExecutable(Path.of(folder, "hccn_tool"))) {
                return Optional.of("hccn_tool");
            }
        }
        return Optional.empty();
    }

    private static List<Integer> local(RankTableFlags flags, HostNetwork network) {
        return LocalNodes.choose(
                flags.plan().nodes(), flags.here().card(), flags.here().address(), network);
    }

    /** What is waited for, a line each time that it changes. */
    private static final class Progress implements Consumer<String> {
        private String last = "";

        @Override
        public void accept(String line) {
            if (!line.equals(last)) {
                Exit.say(line);
                last = line;
            }
        }
    }

    private static int report(RankTableFlags flags, Result result) {
        String path = flags.file().path().toString();
        RankTable table = result.table();
        if (flags.here().isJson()) {
            ObjectNode json = JsonMapper.shared()
                    .createObjectNode()
                    .put("output", path)
                    .put("written", !result.isKept())
                    .put("device", result.kind().word())
                    .put("server_count", table.serverCount())
                    .put("prefill_devices", table.prefill().size())
                    .put("decode_devices", table.decode().size());
            System.out.println(json);
            return Exit.WELL;
        }
        System.out.println(path + (result.isKept() ? ": kept, it holds this table already" : ": written"));
        System.out.println("  devices: " + result.kind().word()
                + (result.kind() == DeviceKind.CPU ? ", each with the address of its node" : ""));
        System.out.println("  " + side(table, Side.PREFILL));
        System.out.println("  " + side(table, Side.DECODE));
        return Exit.WELL;
    }

    private static String side(RankTable table, Side side) {
        return side.key() + ": " + table.devices(side).size() + " devices of " + String.join(", ", table.servers(side));
    }

    /** Starts the command on all other nodes, and takes part itself where it is one of them. */
    private static int fromHere(RankTableFlags flags, RankTableRun run, Map<String, String> environment)
            throws IOException, InterruptedException {
        HostNetwork network = HostNetwork.here();
        List<String> nodes = flags.plan().nodes();
        var own = new ArrayList<Integer>();
        var commands = new ArrayList<NodeCommand>();
        var ssh = new Ssh("ssh", flags.remote().user().orElse(""));
        Optional<String> tool = Optional.ofNullable(environment.get("HCCN_TOOL_PATH"));
        for (int index = 0; index < nodes.size(); index++) {
            if (network.isOwn(InetAddress.ofLiteral(nodes.get(index)))) {
                own.add(index);
            } else {
                commands.add(ssh.command(nodes.get(index), flags.argumentsFor(nodes.get(index), tool)));
            }
        }
        var shown = flags.remote().isPrinted() ? System.out : System.err;
        commands.forEach(command -> shown.println(command));
        own.forEach(index -> Exit.say(nodes.get(index) + " is this host: no ssh"));
        if (flags.remote().isPrinted()) {
            return Exit.WELL;
        }
        if (own.size() > 1 && !commands.isEmpty()) {
            throw new FlagException(
                    "this host has several of --ips, others are elsewhere; start a process for each, with"
                            + " --local-ip");
        }
        if (own.size() == 1) {
            String address = nodes.get(own.getFirst());
            LocalNodes.choose(nodes, flags.here().card(), Optional.of(address), network);
        }
        var remote = new FutureTask<>(
                () -> RemoteRun.run(commands, flags.rendezvous().limit()));
        Thread.ofVirtual().name("remote-runs").start(remote);
        int status = own.isEmpty() ? Exit.WELL : takePart(flags, run, own);
        return Math.max(status, reportRemote(await(remote)));
    }

    /** A failure here must not hide what the other nodes said. */
    private static int takePart(RankTableFlags flags, RankTableRun run, List<Integer> own)
            throws IOException, InterruptedException {
        try {
            return report(flags, run.run(own, new Progress()));
        } catch (RankTableException | DeviceException | HostBarrierException e) {
            Exit.say(e.getMessage());
            return Exit.FAILED;
        }
    }

    private static SequencedMap<String, Outcome> await(FutureTask<SequencedMap<String, Outcome>> remote)
            throws InterruptedException {
        try {
            return remote.get(); // each run has its limit
        } catch (ExecutionException e) {
            throw new IllegalStateException("the remote runs ended by themselves", e.getCause());
        }
    }

    private static int reportRemote(SequencedMap<String, Outcome> outcomes) {
        boolean isWell = true;
        for (Map.Entry<String, Outcome> node : outcomes.entrySet()) {
            isWell &= node.getValue().isWell();
            Exit.say("node " + node.getKey() + " " + node.getValue().sentence());
        }
        return isWell ? Exit.WELL : Exit.FAILED;
    }
}
