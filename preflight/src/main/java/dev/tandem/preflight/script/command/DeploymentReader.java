package dev.tandem.preflight.script.command;

import dev.tandem.node.NodeConfig;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.preflight.proxy.ProxyFlags;
import dev.tandem.preflight.script.shell.Block;
import dev.tandem.preflight.script.shell.Scene;
import dev.tandem.preflight.script.shell.ShellCommand;
import dev.tandem.preflight.script.shell.ShellScript;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads the commands of a deployment with the grammars of the programs that they start; what these refuse becomes findings. */
public final class DeploymentReader {
    private static final String CONNECTOR = "--kv-transfer-config";
    /** Address variables of a node; the first that is set decides. */
    private static final List<String> ADDRESSES = List.of("HCCL_IF_IP", "VLLM_HOST_IP");

    private static final String WRONG_FOLDER = "disaggregate_prefill_v1";
    private static final String RIGHT_FOLDER = "disaggregated_prefill_v1";

    private final Findings findings;
    private final List<NodeStart> nodes = new ArrayList<>();
    private final List<ProxyStart> proxies = new ArrayList<>();
    private final List<Call> tables = new ArrayList<>();
    private final List<Call> questions = new ArrayList<>();
    private boolean isWhole = true;

    public DeploymentReader(Findings findings) {
        this.findings = findings;
    }

    public ScriptedDeployment deployment() {
        return new ScriptedDeployment(nodes, proxies, tables, questions, isWhole);
    }

    /** Takes all commands of a script. */
    public void read(ShellScript script) {
        script.remarks().forEach(findings::add);
        script.blocks().forEach(this::passed);
        script.blocks().stream()
                .filter(block -> block.commands().stream().anyMatch(words -> words.contains("hccn_tool")))
                .findFirst()
                .ifPresent(block -> findings.note(
                        block.location(),
                        "asks the devices one by one; tandem check asks all of them at once, with a time limit, and says"
                                + " what is wrong"));
        joined(script.commands()).forEach(this::read);
    }

    /** Takes one command. */
    public void read(ShellCommand command) {
        Call call = Call.of(command);
        switch (call.program()) {
            case NODE -> node(call);
            case PROXY, LAYERWISE_PROXY -> proxy(call);
            case RANK_TABLE -> tables.add(call);
            case QUESTION -> questions.add(call);
            case OTHER -> other(call);
        }
    }

    // ---- lines that end a command too early

    /** Joins what only a missing backslash keeps apart, and reports it. */
    private List<ShellCommand> joined(List<ShellCommand> commands) {
        var joined = new ArrayList<ShellCommand>();
        for (ShellCommand command : commands) {
            if (!isStray(command.words().getFirst())) {
                joined.add(command);
            } else if (joined.isEmpty()) {
                findings.error(
                        command.location(),
                        "this line begins with " + shortened(command.words().getFirst())
                                + " where a command should stand",
                        "put the command before it");
            } else {
                ShellCommand before = joined.removeLast();
                reportEarlyEnd(before, command);
                joined.add(before.and(command));
            }
        }
        return joined;
    }

    /** Words that belong to the command of the line before: a flag, or the JSON of one. */
    private static boolean isStray(String word) {
        return word.matches("--?[A-Za-z][\\s\\S]*") || word.matches("\\{\\s*\"[\\s\\S]*");
    }

    private void reportEarlyEnd(ShellCommand before, ShellCommand stray) {
        boolean isNode = Call.of(before).program() == Call.Program.NODE;
        boolean losesConnector = isNode
                && before.words().stream().noneMatch(word -> word.startsWith(CONNECTOR))
                && stray.words().stream().anyMatch(word -> word.startsWith(CONNECTOR));
        String loss = losesConnector
                ? "the node would start without its KV connector"
                : (isNode ? "the node" : "the command") + " would start without what follows";
        findings.error(
                before.at(before.lastLine()),
                "line " + before.lastLine() + " ends the command: " + loss + ", and line "
                        + stray.location().line() + " would be run as a command",
                "put a backslash at the end of line " + before.lastLine());
    }

    private static String shortened(String word) {
        return word.length() <= 40 ? word : word.substring(0, 40) + "…";
    }

    // ---- what is passed over

    private void passed(Block block) {
        List<String> starts = block.commands().stream()
                .filter(words -> words.size() > 1)
                .map(words -> words.get(0) + " " + words.get(1))
                .filter(words ->
                        words.matches("(\\S*/)?(vllm|tandem) (serve|proxy)|python3? \\S*load_balance_proxy\\S*"))
                .toList();
        if (!starts.isEmpty()) {
            findings.warning(
                    block.location(),
                    "a command inside this " + block.keyword() + " is not checked: " + starts.getFirst() + " …",
                    "give check a script in which it stands by itself");
            isWhole = false;
        }
    }

    private void other(Call call) {
        List<String> words = call.command().words();
        if (words.getFirst().equals("cd") && words.getLast().contains(WRONG_FOLDER)) {
            findings.warning(
                    call.location(),
                    "cd fails: vllm-ascend's folder is examples/" + RIGHT_FOLDER + ", not " + WRONG_FOLDER,
                    "cd " + words.getLast().replace(WRONG_FOLDER, RIGHT_FOLDER));
        }
    }

    // ---- nodes

    private void node(Call call) {
        Optional<ServeFlags> flags = Optional.empty();
        Optional<NodeEnvironment> environment = Optional.empty();
        try {
            flags = Optional.of(ServeFlags.parse(call.words()));
        } catch (FlagException e) {
            call.refuse(e.problems(), findings);
        }
        try {
            environment = Optional.of(environment(call.command().scene()));
        } catch (FlagException e) {
            call.refuse(e.problems(), findings);
        }
        if (flags.isEmpty() || environment.isEmpty()) {
            isWhole = false;
            return;
        }
        try {
            add(new NodeStart(call, new NodeConfig(flags.get(), environment.get(), 1)));
        } catch (FlagException e) {
            isWhole = false;
            call.refuse(e.problems(), findings);
        }
    }

    /** Interfaces and addresses are looked at where the script is for this machine. */
    private static NodeEnvironment environment(Scene scene) {
        Map<String, String> variables = scene.environment();
        for (String name : ADDRESSES) {
            String address = variables.get(name);
            if (address != null && !address.isBlank()) {
                return !scene.isUnknown(address) && NodeEnvironment.isHere(address.strip())
                        ? NodeEnvironment.read(variables)
                        : NodeEnvironment.readForElsewhere(variables);
            }
        }
        return NodeEnvironment.readForElsewhere(variables);
    }

    private void add(NodeStart node) {
        nodes.add(node);
        Optional<String> reservation = node.config().ports().flatMap(PortPlan::reservation);
        for (String note : node.config().notes()) {
            if (reservation.filter(note::equals).isEmpty()) {
                findings.note(node.call().locationOf(note), note);
            }
        }
        reservation.ifPresent(warning -> {
            int semicolon = warning.indexOf("; ");
            findings.warning(
                    node.call().at("kv-transfer-config", "kv_port"),
                    warning.substring(0, semicolon),
                    warning.substring(semicolon + 2));
        });
    }

    // ---- proxies

    private void proxy(Call call) {
        try {
            ProxyFlags flags = ProxyFlags.parse(call.words());
            flags.notes().forEach(note -> findings.note(call.locationOf(note), note));
            proxies.add(new ProxyStart(call, flags.config()));
        } catch (FlagException e) {
            isWhole = false;
            call.refuse(e.problems(), findings);
        }
    }
}
