package dev.tandem.cli;

import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.node.Machine;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.check.PlannedNodes;
import dev.tandem.ops.check.TopologyCheck;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.TopologyException;
import dev.tandem.preflight.CheckReport;
import dev.tandem.preflight.CheckedNode;
import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.deployment.PlannedNode;
import dev.tandem.preflight.deployment.PlannedPort;
import dev.tandem.preflight.host.Meeting.Seats;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.machine.SystemFiles;
import dev.tandem.preflight.network.PortRanges;
import dev.tandem.preflight.npu.NpuCheck;
import dev.tandem.preflight.npu.NpuPlan;
import dev.tandem.preflight.npu.NpuTools;
import dev.tandem.preflight.script.ScriptCheck;
import dev.tandem.preflight.survey.NodeSurvey;
import dev.tandem.preflight.survey.RemoteSurvey;
import dev.tandem.preflight.survey.SurveyPlan;
import dev.tandem.preflight.survey.SurveyPlan.Deployment;
import dev.tandem.preflight.survey.SurveyPlan.Peers;
import java.io.Console;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** {@code tandem check}: machines, the network between them and what is to run there, before anything starts. */
final class CheckCommand implements Main.Verb {
    private static final int MEET_PORT = 6_658;
    private static final int DEADLINE_SECONDS = 120;
    private static final int MAX_PEERS = 64;
    private static final int MAX_SECONDS = 86_400;
    private static final int MAX_PORT = 65_535;
    private static final int MAX_DEVICES = 256;
    private static final int QUERY_SECONDS = 10;
    private static final int MAX_QUERY_SECONDS = 600;
    private static final int PARALLEL = 8;
    private static final int MAX_PARALLEL = 64;
    /** Deadlines that a remote check may take, besides one for each round of reading. */
    private static final long REMOTE_PATIENCE = 12;

    private static final Set<String> WILDCARDS = Set.of("0.0.0.0", "::");

    @Override
    public String summary() {
        return "look at machines, devices, network and scripts before anything starts";
    }

    @Override
    public int run(List<String> words) throws InterruptedException {
        if (words.contains("--help") || words.contains("-h")) {
            System.out.print(CheckOptions.USAGE);
            return Exit.WELL;
        }
        Quiet.onlyWarnings();
        CheckOptions options = CheckOptions.of(words);
        var report = new CheckReport(new Check(options, Machine.here(), System.getenv()).run());
        List<String> lines = options.has("json") ? report.json(options.has("tables")) : report.lines(isTerminal());
        lines.forEach(System.out::println);
        return report.isWell() ? Exit.WELL : Exit.FAILED;
    }

    @SuppressWarnings("SystemConsoleNull") // null when the JDK is told to use its old console
    private static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    /** One call of the command. */
    private record Check(CheckOptions options, Machine machine, Map<String, String> variables) {

        List<CheckedNode> run() throws InterruptedException {
            requireUsable();
            if (options.has("script")) {
                return List.of(scripts());
            }
            var nodes = new ArrayList<CheckedNode>();
            var refusals = new ArrayList<CheckedNode>();
            Optional<Topology> topology = topology(refusals);
            Deployment deployment = deployment(topology, refusals);
            if (!refusals.isEmpty()) {
                return refusals; // the words themselves are wrong: what they ask of machines cannot be known
            }
            topology.ifPresent(read -> nodes.add(file(read)));
            if (!options.serve().isEmpty()) {
                nodes.add(words(deployment.nodes().getFirst()));
            }
            List<String> peers = peers(topology);
            if (peers.isEmpty()) {
                nodes.add(NodeSurvey.run(
                        new SurveyPlan(SystemFiles.here(), npu(), deployment, Optional.empty()), this::progress));
            } else if (options.has("ssh")) {
                nodes.addAll(fromOnePlace(peers, deployment));
            } else {
                nodes.add(NodeSurvey.run(plan(peers, ownIndex(peers), deployment), this::progress));
            }
            return nodes;
        }

        /** Wrong values are told whether or not this call comes to use them. */
        private void requireUsable() {
            options.whole("devices", 1, MAX_DEVICES, 1);
            options.whole("meet-port", 1, MAX_PORT, MEET_PORT);
            deadline();
            bounds();
            options.text("ssh").filter(user -> !Ssh.isUser(user)).ifPresent(user -> {
                throw new FlagException("--ssh " + user + " is no user as root@");
            });
            if (options.has("ssh") && !options.has("peers")) {
                throw new FlagException("--ssh needs --peers, the machines to go to");
            }
            if (!options.serve().isEmpty() && (options.positional().isPresent() || options.has("ssh"))) {
                throw new FlagException("words of serve behind -- are of this machine's node: leave out "
                        + (options.has("ssh") ? "--ssh" : options.positional().get()));
            }
        }

        private Duration deadline() {
            return options.seconds("deadline", MAX_SECONDS, DEADLINE_SECONDS);
        }

        private NpuPlan.Bounds bounds() {
            return new NpuPlan.Bounds(
                    options.seconds("query-limit", MAX_QUERY_SECONDS, QUERY_SECONDS),
                    options.whole("parallel", 1, MAX_PARALLEL, PARALLEL));
        }

        private Optional<Topology> topology(List<CheckedNode> nodes) {
            if (options.positional().isEmpty()) {
                return Optional.empty();
            }
            Path home = Path.of(System.getProperty("tandem.home", "."))
                    .toAbsolutePath()
                    .normalize();
            String file = options.positional().get();
            try {
                Topology read = Topology.read(Path.of(file));
                return Optional.of(read.under(home, read.model().servedName()));
            } catch (TopologyException e) {
                nodes.add(new CheckedNode(file, List.of(new Section("topology", TopologyCheck.check(Path.of(file))))));
                return Optional.empty();
            }
        }

        /** What can be said of the file alone. */
        private CheckedNode file(Topology topology) {
            String name = options.positional().orElseThrow();
            List<Finding> found = TopologyCheck.check(name, LaunchPlan.of(topology));
            return new CheckedNode(
                    name,
                    List.of(new Section(
                            "topology",
                            found.isEmpty()
                                    ? List.of(Finding.of(Finding.Severity.WELL, name, "nothing is wrong with it"))
                                    : found)));
        }

        /** What can be said of the words behind {@code --} alone. */
        private static CheckedNode words(PlannedNode node) {
            var found = new ArrayList<Finding>();
            node.config().notes().forEach(note -> found.add(Finding.of(Finding.Severity.NOTE, node.name(), note)));
            found.add(Finding.of(Finding.Severity.WELL, node.name(), "the words can be carried out"));
            return new CheckedNode(node.name(), List.of(new Section("words", found)));
        }

        private CheckedNode scripts() {
            if (options.list("script").isEmpty()) {
                throw new FlagException("--script needs the paths of start scripts");
            }
            if (options.positional().isPresent()
                    || options.has("peers")
                    || !options.serve().isEmpty()) {
                throw new FlagException(
                        "--script reads scripts and nothing else: leave out the topology, --peers and --");
            }
            List<Finding> found = ScriptCheck.check(
                    options.list("script").stream().map(Path::of).toList());
            String names = String.join(" ", options.list("script"));
            return new CheckedNode(
                    "scripts",
                    List.of(new Section(
                            "start scripts",
                            found.isEmpty()
                                    ? List.of(Finding.of(Finding.Severity.WELL, names, "nothing is wrong with them"))
                                    : found)));
        }

        private static CheckedNode refused(String what, List<String> problems) {
            return new CheckedNode(
                    what,
                    List.of(new Section(
                            "words",
                            problems.stream()
                                    .map(problem -> new Finding(
                                            Finding.Severity.ERROR, what, problem, "mend it and check again"))
                                    .toList())));
        }

        private Deployment deployment(Optional<Topology> topology, List<CheckedNode> refusals) {
            List<PlannedNode> nodes = List.of();
            try {
                if (topology.isPresent()) {
                    nodes = PlannedNodes.of(topology.get(), machine);
                } else if (!options.serve().isEmpty()) {
                    nodes = List.of(PlannedNode.of(options.serve(), variables, machine));
                }
            } catch (FlagException e) {
                refusals.add(refused(options.positional().orElse("serve"), e.problems()));
            }
            var ports = new ArrayList<PlannedPort>();
            nodes.forEach(node -> ports.addAll(node.ports()));
            topology.map(Topology::gateway)
                    .filter(gateway -> gateway.port() != 0 && !WILDCARDS.contains(gateway.host()))
                    .ifPresent(gateway -> ports.add(new PlannedPort(gateway.host(), gateway.port(), "the gateway")));
            addAskedPorts(topology, ports);
            var here = new TreeSet<String>();
            ports.stream()
                    .map(PlannedPort::host)
                    .filter(host -> Hosts.isHere(host, machine))
                    .forEach(here::add);
            return new Deployment(nodes, ports, here);
        }

        /** {@code --ports}, of every peer. */
        private void addAskedPorts(Optional<Topology> topology, List<PlannedPort> ports) {
            options.text("ports").ifPresent(text -> {
                try {
                    for (String host : peers(topology)) {
                        PortRanges.parse(text).forEach(port -> ports.add(new PlannedPort(host, port, "--ports")));
                    }
                } catch (IllegalArgumentException e) {
                    throw new FlagException("--ports: " + e.getMessage());
                }
            });
        }

        /** Empty when nobody is to be met. */
        private List<String> peers(Optional<Topology> topology) {
            if (!options.has("peers")) {
                return List.of();
            }
            var hosts = new LinkedHashSet<>(options.list("peers"));
            if (hosts.size() < options.list("peers").size()) {
                throw new FlagException("--peers names an address twice: " + options.list("peers"));
            }
            if (hosts.isEmpty() && topology.isPresent()) {
                topology.get().nodes().forEach(node -> hosts.add(node.http().host()));
                hosts.add(topology.get().gateway().host());
                hosts.removeAll(WILDCARDS);
            }
            if (hosts.size() < 2 || hosts.size() > MAX_PEERS) {
                throw new FlagException("--peers has " + hosts.size() + " addresses; it needs 2 to " + MAX_PEERS
                        + ", this node's among them, or a topology that names them");
            }
            return List.copyOf(hosts);
        }

        private int ownIndex(List<String> peers) {
            Optional<String> named = options.text("local-ip");
            if (named.isPresent()) {
                if (!peers.contains(named.get())) {
                    throw new FlagException("--local-ip " + named.get() + " is none of the peers " + peers);
                }
                return peers.indexOf(named.get());
            }
            List<String> own =
                    peers.stream().filter(host -> Hosts.isHere(host, machine)).toList();
            if (own.size() != 1) {
                throw new FlagException(
                        own.isEmpty()
                                ? "none of --peers " + peers + " is this machine's; it has " + machine.addresses()
                                : "this machine has several of --peers: " + own
                                        + "; say with --local-ip which this process is, or give --ssh");
            }
            return peers.indexOf(own.getFirst());
        }

        private SurveyPlan plan(List<String> peers, int index, Deployment deployment) throws InterruptedException {
            var seats = new Seats(peers, index, options.whole("meet-port", 1, MAX_PORT, MEET_PORT));
            return new SurveyPlan(
                    SystemFiles.here(),
                    npu(),
                    deployment,
                    Optional.of(new Peers(seats, deadline(), deviceAddresses())));
        }

        private Map<String, Map<Integer, String>> deviceAddresses() {
            var addresses = new TreeMap<String, Map<Integer, String>>();
            options.text("ranktable").ifPresent(file -> {
                try {
                    RankTable table = RankTable.read(Path.of(file));
                    for (Side side : Side.values()) {
                        table.devices(side)
                                .forEach(device -> addresses
                                        .computeIfAbsent(device.serverId(), _ -> new TreeMap<>())
                                        .put(device.deviceId(), device.deviceIp()));
                    }
                } catch (RankTableException e) {
                    throw new FlagException("--ranktable: " + e.getMessage());
                }
            });
            return addresses;
        }

        /** Empty on a node whose devices are its cores. */
        private Optional<NpuPlan> npu() throws InterruptedException {
            String device = options.text("device").orElse("auto").toLowerCase(Locale.ROOT);
            NpuPlan.Tools tools = NpuTools.find(variables);
            NpuPlan.Bounds bounds = bounds();
            if (!Set.of("auto", "cpu", "a2", "a3").contains(device)) {
                throw new FlagException("--device must be auto, cpu, a2 or a3, not " + device);
            }
            if (device.equals("cpu")
                    || (device.equals("auto") && !NpuCheck.hasTool(tools.hccnTool(), bounds.query()))) {
                return Optional.empty();
            }
            NpuPlan.Generation generation = device.equals("auto")
                    ? NpuCheck.generation(tools, bounds.query())
                    : NpuPlan.Generation.valueOf(device.toUpperCase(Locale.ROOT));
            int devices = options.whole("devices", 1, MAX_DEVICES, 0);
            if (devices == 0) {
                devices = NpuCheck.countDevices(Path.of("/dev"))
                        .orElseThrow(() -> new FlagException(
                                "there are no /dev/davinci* to count: give --devices, or --device cpu"));
            }
            return Optional.of(new NpuPlan(tools, generation, devices, bounds));
        }

        /** This machine's addresses here, the others through ssh, all at once since they meet. */
        private List<CheckedNode> fromOnePlace(List<String> peers, Deployment deployment) throws InterruptedException {
            var access = new RemoteSurvey.Access(
                    new Ssh("ssh", options.text("ssh").orElse("")),
                    remoteProgram(),
                    deadline().multipliedBy(peers.size() + REMOTE_PATIENCE));
            var calls = new ArrayList<Callable<List<CheckedNode>>>();
            for (int i = 0; i < peers.size(); i++) {
                String host = peers.get(i);
                if (Hosts.isHere(host, machine)) {
                    SurveyPlan plan = plan(peers, i, deployment);
                    calls.add(() -> List.of(NodeSurvey.run(plan, this::progress)));
                } else {
                    calls.add(() -> RemoteSurvey.run(access, host, remoteWords(peers, host)));
                }
            }
            var nodes = new ArrayList<CheckedNode>();
            try (ExecutorService threads = Executors.newFixedThreadPool(
                    calls.size(),
                    Thread.ofPlatform().daemon().name("check-node-", 0).factory())) {
                for (Future<List<CheckedNode>> future : threads.invokeAll(calls)) {
                    nodes.addAll(future.get());
                }
            } catch (ExecutionException e) {
                throw new IllegalStateException("the check of a node failed in our own code", e.getCause());
            }
            return nodes;
        }

        private List<String> remoteProgram() {
            String tandem = options.text("remote-tandem").orElse("tandem");
            String tool = variables.getOrDefault("HCCN_TOOL_PATH", "");
            return tool.isEmpty() ? List.of(tandem) : List.of("env", "HCCN_TOOL_PATH=" + tool, tandem);
        }

        /** The same words as here, and which of the peers it is. */
        private List<String> remoteWords(List<String> peers, String host) {
            var words = new ArrayList<String>(List.of("check"));
            options.positional().ifPresent(words::add);
            words.add("--peers");
            words.addAll(peers);
            words.addAll(List.of("--local-ip", host, "--json", "--tables"));
            for (String name : List.of(
                    "meet-port", "deadline", "ports", "device", "devices", "ranktable", "query-limit", "parallel")) {
                options.text(name).ifPresent(value -> words.addAll(List.of("--" + name, value)));
            }
            return words;
        }

        private void progress(String text) {
            if (!options.has("json")) {
                System.err.println("tandem: " + text);
            }
        }
    }
}
