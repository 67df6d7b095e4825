package dev.tandem.ops.check;

import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.node.Machine;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.TrustSettings;
import dev.tandem.ops.check.CheckRequest.Peers;
import dev.tandem.ops.check.CheckRequest.Remote;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.TopologyException;
import dev.tandem.preflight.CheckedNode;
import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.deployment.PlannedDeployment;
import dev.tandem.preflight.deployment.PlannedNode;
import dev.tandem.preflight.deployment.PlannedPort;
import dev.tandem.preflight.host.HostBarrier.Participants;
import dev.tandem.preflight.host.ParallelCalls;
import dev.tandem.preflight.machine.SystemFiles;
import dev.tandem.preflight.npu.NpuCheck;
import dev.tandem.preflight.npu.NpuTools;
import dev.tandem.preflight.survey.NodeSurvey;
import dev.tandem.preflight.survey.RemoteSurvey;
import dev.tandem.preflight.survey.SurveyPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Consumer;

/**
 * One check of machines: reads what is to run there, then looks at this machine, alone, together with its peers, or, as the one place, at
 * all of them. Used by one thread, which waits.
 */
public final class CheckRun {
    private static final int MAX_PEERS = 64;
    /** Deadlines that a remote check may take, besides one for each round of reading. */
    private static final long REMOTE_PATIENCE = 12;

    private final CheckRequest request;
    private final Machine machine;
    private final Map<String, String> variables;
    private final Path home;
    private final Consumer<String> progress;

    /**
     * @param variables environment of this process
     * @param home folder that a topology's relative paths are taken from
     * @param progress hears what is done and waited for
     */
    public CheckRun(
            CheckRequest request,
            Machine machine,
            Map<String, String> variables,
            Path home,
            Consumer<String> progress) {
        this.request = request;
        this.machine = machine;
        this.variables = Map.copyOf(variables);
        this.home = home;
        this.progress = progress;
    }

    /**
     * Looks.
     *
     * @return what was found, by node; when topology or arguments of {@code serve} cannot be carried out, that alone
     * @throws FlagException when the request asks for what there is not: peers, devices, a rank table
     */
    public List<CheckedNode> run() throws InterruptedException {
        var refusals = new ArrayList<CheckedNode>();
        Optional<Topology> topology = topology(refusals);
        PlannedDeployment deployment = deployment(topology, refusals);
        if (!refusals.isEmpty()) {
            return refusals; // what they ask of machines cannot be known
        }
        var nodes = new ArrayList<CheckedNode>();
        topology.ifPresent(read -> nodes.add(file(read)));
        if (!request.serve().isEmpty()) {
            nodes.add(arguments(deployment.nodes().getFirst()));
        }
        if (request.peers().isEmpty()) {
            nodes.add(NodeSurvey.run(plan(deployment, Optional.empty()), progress));
            return nodes;
        }
        Peers peers = request.peers().get();
        List<String> hosts = hosts(peers, topology);
        if (peers.remote().isPresent()) {
            nodes.addAll(fromOnePlace(peers, peers.remote().get(), hosts, deployment));
        } else {
            nodes.add(NodeSurvey.run(
                    plan(deployment, Optional.of(met(peers, hosts, ownIndex(peers, hosts)))), progress));
        }
        return nodes;
    }

    private Optional<Topology> topology(List<CheckedNode> refusals) {
        if (request.topology().isEmpty()) {
            return Optional.empty();
        }
        String file = request.topology().get();
        try {
            Topology read = Topology.read(Path.of(file));
            return Optional.of(read.under(home, read.model().servedName()));
        } catch (TopologyException e) {
            refusals.add(new CheckedNode(file, List.of(new Section("topology", TopologyCheck.check(Path.of(file))))));
            return Optional.empty();
        }
    }

    /** What can be said of the file alone. */
    private CheckedNode file(Topology topology) {
        String name = request.topology().orElseThrow();
        List<Finding> found = TopologyCheck.check(name, LaunchPlan.of(topology));
        return new CheckedNode(
                name,
                List.of(new Section(
                        "topology",
                        found.isEmpty()
                                ? List.of(Finding.of(Severity.WELL, name, "nothing is wrong with it"))
                                : found)));
    }

    /** What can be said of the arguments of {@code serve} alone. */
    private static CheckedNode arguments(PlannedNode node) {
        var found = new ArrayList<Finding>();
        node.config().notes().forEach(note -> found.add(Finding.of(Severity.NOTE, node.name(), note)));
        found.add(Finding.of(Severity.WELL, node.name(), "the arguments can be carried out"));
        return new CheckedNode(node.name(), List.of(new Section("arguments", found)));
    }

    private static CheckedNode refused(String what, List<String> problems) {
        List<Finding> found = problems.stream()
                .map(problem -> new Finding(Severity.ERROR, what, problem, "fix it and check again"))
                .toList();
        return new CheckedNode(what, List.of(new Section("arguments", found)));
    }

    private PlannedDeployment deployment(Optional<Topology> topology, List<CheckedNode> refusals) {
        List<PlannedNode> nodes = List.of();
        try {
            if (topology.isPresent()) {
                nodes = PlannedNodes.of(topology.get(), machine);
            } else if (!request.serve().isEmpty()) {
                nodes = List.of(PlannedNode.of(request.serve(), variables, machine));
            }
        } catch (FlagException e) {
            refusals.add(refused(request.topology().orElse("serve"), e.problems()));
        }
        var ports = new ArrayList<PlannedPort>();
        nodes.forEach(node -> ports.addAll(node.ports()));
        topology.map(Topology::gateway)
                .filter(gateway -> gateway.port() != 0 && !Hosts.isWildcard(gateway.host()))
                .ifPresent(gateway -> ports.add(new PlannedPort(gateway.host(), gateway.port(), "the gateway")));
        addAskedPorts(topology, ports);
        var here = new TreeSet<String>();
        ports.stream()
                .map(PlannedPort::host)
                .filter(host -> Hosts.isHere(host, machine))
                .forEach(here::add);
        return new PlannedDeployment(nodes, ports, here);
    }

    /** The ports that were asked for, of every peer. */
    private void addAskedPorts(Optional<Topology> topology, List<PlannedPort> ports) {
        if (request.ports().isEmpty() || request.peers().isEmpty()) {
            return;
        }
        for (String host : hosts(request.peers().get(), topology)) {
            request.ports().forEach(port -> ports.add(new PlannedPort(host, port, "--ports")));
        }
    }

    // ---- peers

    /** All nodes that meet, in the order that all of them were told. */
    private static List<String> hosts(Peers peers, Optional<Topology> topology) {
        var hosts = new LinkedHashSet<>(peers.addresses());
        if (hosts.isEmpty() && topology.isPresent()) {
            topology.get().nodes().forEach(node -> hosts.add(node.http().host()));
            hosts.add(topology.get().gateway().host());
            hosts.removeIf(Hosts::isWildcard);
        }
        if (hosts.size() < 2 || hosts.size() > MAX_PEERS) {
            throw new FlagException("--peers has " + hosts.size() + " addresses; it needs 2 to " + MAX_PEERS
                    + ", this node's among them, or a topology that names them");
        }
        return List.copyOf(hosts);
    }

    private int ownIndex(Peers peers, List<String> hosts) {
        if (peers.localIp().isPresent()) {
            String named = peers.localIp().get();
            if (!hosts.contains(named)) {
                throw new FlagException("--local-ip " + named + " is none of the peers " + hosts);
            }
            return hosts.indexOf(named);
        }
        List<String> own =
                hosts.stream().filter(host -> Hosts.isHere(host, machine)).toList();
        if (own.size() != 1) {
            throw new FlagException(
                    own.isEmpty()
                            ? "none of --peers " + hosts + " is this machine's; it has " + machine.addresses()
                            : "this machine has several of --peers: " + own
                                    + "; say with --local-ip which this process is, or give --ssh");
        }
        return hosts.indexOf(own.getFirst());
    }

    private SurveyPlan.Peers met(Peers peers, List<String> hosts, int index) {
        return new SurveyPlan.Peers(
                new Participants(
                        hosts,
                        index,
                        peers.meetPort(),
                        TrustSettings.open(variables).secret()),
                peers.limit(),
                peers.rankTable().map(CheckRun::deviceAddresses).orElse(Map.of()));
    }

    private SurveyPlan plan(PlannedDeployment deployment, Optional<SurveyPlan.Peers> peers)
            throws InterruptedException {
        return new SurveyPlan(
                SystemFiles.here(), NpuCheck.plan(request.devices(), NpuTools.find(variables)), deployment, peers);
    }

    private static Map<String, Map<Integer, String>> deviceAddresses(Path rankTable) {
        try {
            var addresses = new TreeMap<String, Map<Integer, String>>();
            RankTable table = RankTable.read(rankTable);
            for (Side side : Side.values()) {
                table.devices(side)
                        .forEach(device -> addresses
                                .computeIfAbsent(device.serverId(), _ -> new TreeMap<>())
                                .put(device.deviceId(), device.deviceIp()));
            }
            return addresses;
        } catch (RankTableException e) {
            throw new FlagException("--ranktable: " + e.getMessage());
        }
    }

    /** This machine's addresses here, the others through ssh, all at once since they meet. */
    private List<CheckedNode> fromOnePlace(Peers peers, Remote remote, List<String> hosts, PlannedDeployment deployment)
            throws InterruptedException {
        var elsewhere = new RemoteSurvey(
                remote.ssh(), program(remote), peers.limit().multipliedBy(hosts.size() + REMOTE_PATIENCE));
        var calls = new ArrayList<Callable<List<CheckedNode>>>();
        for (int index = 0; index < hosts.size(); index++) {
            String host = hosts.get(index);
            if (Hosts.isHere(host, machine)) {
                SurveyPlan plan = plan(deployment, Optional.of(met(peers, hosts, index)));
                calls.add(() -> List.of(NodeSurvey.run(plan, progress)));
            } else {
                List<String> arguments = remoteArguments(remote, hosts, host);
                calls.add(() -> elsewhere.run(host, arguments));
            }
        }
        return ParallelCalls.run("check-node", calls.size(), calls).stream()
                .flatMap(List::stream)
                .toList();
    }

    private List<String> program(Remote remote) {
        String tool = variables.getOrDefault("HCCN_TOOL_PATH", "");
        return tool.isEmpty() ? List.of(remote.program()) : List.of("env", "HCCN_TOOL_PATH=" + tool, remote.program());
    }

    /** The arguments of this call, and which of the peers the other machine is. */
    private List<String> remoteArguments(Remote remote, List<String> hosts, String host) {
        var arguments = new ArrayList<String>(List.of("check"));
        request.topology().ifPresent(arguments::add);
        arguments.add("--peers");
        arguments.addAll(hosts);
        arguments.addAll(List.of("--local-ip", host, "--json", "--tables"));
        arguments.addAll(remote.arguments());
        return arguments;
    }
}
