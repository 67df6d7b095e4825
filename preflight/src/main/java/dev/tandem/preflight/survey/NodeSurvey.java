package dev.tandem.preflight.survey;

import dev.tandem.api.ApiException;
import dev.tandem.api.ReservedPorts;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.preflight.CheckedNode;
import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.deployment.DeploymentCheck;
import dev.tandem.preflight.deployment.PlannedNode;
import dev.tandem.preflight.deployment.PlannedPort;
import dev.tandem.preflight.host.HostBarrier;
import dev.tandem.preflight.host.HostBarrier.Participants;
import dev.tandem.preflight.host.HostBarrierException;
import dev.tandem.preflight.machine.MachineCheck;
import dev.tandem.preflight.network.NetworkHost;
import dev.tandem.preflight.network.NetworkProbe;
import dev.tandem.preflight.npu.NpuAgreement;
import dev.tandem.preflight.npu.NpuCheck;
import dev.tandem.preflight.npu.NpuPlan;
import dev.tandem.preflight.npu.NpuReport;
import dev.tandem.preflight.survey.PeerFacts.Devices;
import dev.tandem.preflight.survey.SurveyPlan.Peers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The check of one node: its devices, its machine, what is to run on it, and, when it meets others, the way to each of them. All nodes pass
 * the rounds together, so that each is still there while others measure: facts, reached (ports, round trips, clocks), one round of reading
 * for each distance in the list, in which every node reads from one and is read by one, and pinged. Used by one thread.
 */
public final class NodeSurvey {
    private static final String HERE = "here";
    /** Devices ping those of all other nodes, one by one: others wait that many times as long as for a round. */
    private static final int PING_PATIENCE = 10;

    private final SurveyPlan plan;
    private final Consumer<String> progress;
    private final List<Section> sections = new ArrayList<>();

    private NodeSurvey(SurveyPlan plan, Consumer<String> progress) {
        this.plan = plan;
        this.progress = progress;
    }

    /**
     * Looks at everything of the plan.
     *
     * @param progress hears what is done and waited for
     */
    public static CheckedNode run(SurveyPlan plan, Consumer<String> progress) throws InterruptedException {
        return new NodeSurvey(plan, progress).run();
    }

    private CheckedNode run() throws InterruptedException {
        Optional<NpuReport> devices = devices();
        progress.accept("looking at this machine");
        var machine = new ArrayList<>(MachineCheck.run(plan.files()));
        sections.add(new Section("machine", machine));
        var deployment = new DeploymentCheck(plan.files());
        if (plan.peers().isPresent()) {
            meet(plan.peers().get(), deployment, devices);
        } else {
            sections.add(new Section("deployment", deployment(deployment, Optional.empty())));
        }
        sections.removeIf(section -> section.findings().isEmpty());
        return new CheckedNode(plan.peers().map(Peers::own).orElse(HERE), sections);
    }

    private Optional<NpuReport> devices() throws InterruptedException {
        if (plan.npu().isEmpty()) {
            return Optional.empty();
        }
        NpuPlan npu = plan.npu().get();
        progress.accept("asking " + npu.devices() + " devices");
        NpuReport report = NpuCheck.run(npu);
        sections.add(new Section(
                npu.devices() + " devices, asked as " + npu.generation(), report.table(), report.findings()));
        return Optional.of(report);
    }

    /** Checks the ports of all hosts that are this machine, and the memory of the nodes here; one host's ports may have been tried already. */
    private List<Finding> deployment(DeploymentCheck check, Optional<NetworkHost> tried) {
        var findings = new ArrayList<Finding>();
        List<PlannedPort> ports = plan.deployment().ports();
        String triedHost = tried.map(host -> host.offer().host()).orElse("");
        tried.ifPresent(host ->
                findings.addAll(check.ports(triedHost, ports, host.ports().taken())));
        for (PlannedNode node : plan.deployment().nodes()) {
            if (!node.isHere() && tried.isEmpty()) {
                findings.add(Finding.of(
                        Severity.NOTE,
                        node.name(),
                        node.host() + " is another machine: run the same command there, with --peers or --ssh"));
            }
        }
        var others = new TreeSet<>(plan.deployment().hostsHere());
        plan.peers()
                .ifPresent(peers ->
                        others.removeAll(Set.copyOf(peers.participants().addresses()))); // each tries its own
        others.forEach(host -> findings.addAll(check.ports(host, ports)));
        findings.addAll(check.memory(plan.deployment().nodes()));
        return findings;
    }

    private void meet(Peers peers, DeploymentCheck check, Optional<NpuReport> devices) throws InterruptedException {
        List<Integer> ports = PlannedPort.numbers(plan.deployment().ports(), peers.own());
        ReservedPorts meetPort = meetPort(peers.participants());
        try (NetworkHost host =
                NetworkHost.open(peers.own(), ports, peers.participants().secret())) {
            sections.add(new Section("deployment", deployment(check, Optional.of(host))));
            var network = new ArrayList<Finding>();
            try (HostBarrier barrier =
                    HostBarrier.open(peers.participants(), subject(peers), peers.limit(), progress)) {
                talk(new Round(barrier, peers), host, devices, network);
            } catch (HostBarrierException e) {
                network.add(
                        new Finding(
                                Severity.ERROR,
                                "meeting of the nodes",
                                String.valueOf(e.getMessage()),
                                "start tandem check with the same arguments on every node at about the same time, or once with --ssh"));
            }
            sections.add(new Section("network", network));
        } catch (UncheckedIOException e) {
            sections.add(new Section(
                    "network",
                    List.of(new Finding(
                            Severity.ERROR,
                            "address " + peers.own(),
                            String.valueOf(e.getMessage()),
                            "give one of this machine's addresses with --local-ip"))));
        } finally {
            meetPort.close();
        }
    }

    /** Holds the port where the nodes meet, so that nothing here that asks for any port is given it. */
    private static ReservedPorts meetPort(Participants participants) {
        var held = new ReservedPorts();
        try {
            if (participants.index() == 0) {
                held.add(participants.addresses().getFirst(), participants.port());
            }
        } catch (ApiException taken) {
            return held; // the barrier cannot have it either, and says so
        }
        return held;
    }

    private ObjectNode subject(Peers peers) {
        ObjectNode subject = JsonMapper.shared().createObjectNode().put("command", "check");
        ArrayNode addresses = subject.putArray("peers");
        peers.participants().addresses().forEach(addresses::add);
        return subject;
    }

    /** The barrier of this node and its peers. */
    private record Round(HostBarrier barrier, Peers peers) {
        List<JsonNode> exchange(String name, JsonNode value, Duration limit) throws InterruptedException {
            return barrier.exchange(name, value, limit);
        }

        /** Waits until all are here. */
        void awaitAll(String name, Duration limit) throws InterruptedException {
            exchange(name, JsonMapper.shared().createObjectNode(), limit);
        }

        int own() {
            return peers.participants().index();
        }
    }

    private void talk(Round round, NetworkHost host, Optional<NpuReport> devices, List<Finding> network)
            throws InterruptedException {
        List<PeerFacts> all = round
                .exchange("facts", facts(host, devices).toJson(), round.peers().limit())
                .stream()
                .map(PeerFacts::read)
                .toList();
        network.addAll(PeerAgreement.of(all));
        NetworkProbe probe = probe(host);
        for (int index = 0; index < all.size(); index++) {
            if (index != round.own()) {
                progress.accept("measuring the way to " + all.get(index).offer().host());
                network.addAll(probe.ports(all.get(index).offer()));
                network.addAll(probe.clock(all.get(index).offer()));
            }
        }
        round.awaitAll("reached", round.peers().limit());
        for (int distance = 1; distance < all.size(); distance++) {
            PeerFacts other = all.get((round.own() + distance) % all.size());
            progress.accept("reading from " + other.offer().host());
            network.add(probe.bandwidth(other.offer()));
            round.awaitAll("read " + distance, round.peers().limit());
        }
        if (devices.isPresent()) {
            ping(round, all, network);
        }
        round.awaitAll("pinged", round.peers().limit().multipliedBy(PING_PATIENCE));
    }

    private static NetworkProbe probe(NetworkHost host) {
        try {
            return new NetworkProbe(host);
        } catch (IOException e) {
            throw new UncheckedIOException("the address " + host.offer().host() + " is unknown", e);
        }
    }

    private PeerFacts facts(NetworkHost host, Optional<NpuReport> devices) {
        String kernels = KernelSelection.best().name();
        var own = new Devices(devices.map(NpuReport::addresses).orElse(Map.of()), devices.flatMap(NpuReport::tls));
        return PeerFacts.of(host.offer(), kernels, mtu(host.offer().host()), own);
    }

    private static OptionalLong mtu(String host) {
        try {
            return MachineCheck.mtu(InetAddress.getByName(host));
        } catch (IOException e) {
            throw new UncheckedIOException("the address " + host + " is unknown", e);
        }
    }

    private void ping(Round round, List<PeerFacts> all, List<Finding> network) throws InterruptedException {
        Map<String, Map<Integer, String>> addresses = new TreeMap<>();
        Map<String, String> tls = new TreeMap<>();
        for (PeerFacts facts : all) {
            String node = facts.offer().host();
            addresses.put(
                    node,
                    round.peers()
                            .deviceAddresses()
                            .getOrDefault(node, facts.devices().addresses()));
            facts.devices().tls().ifPresent(value -> tls.put(node, value));
        }
        network.addAll(NpuAgreement.among(addresses, tls));
        addresses.remove(round.peers().own());
        addresses.entrySet().removeIf(entry -> {
            if (entry.getValue().isEmpty()) {
                network.add(Finding.of(
                        Severity.NOTE, "ping " + entry.getKey(), "that node has reported no device addresses"));
            }
            return entry.getValue().isEmpty();
        });
        progress.accept("pinging the devices of " + String.join(", ", addresses.keySet()));
        network.addAll(NpuCheck.ping(plan.npu().orElseThrow(), addresses));
    }
}
