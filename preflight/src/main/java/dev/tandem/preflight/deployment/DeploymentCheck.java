package dev.tandem.preflight.deployment;

import dev.tandem.checkpoint.CheckpointException;
import dev.tandem.node.MemoryNeed;
import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.machine.Bytes;
import dev.tandem.preflight.machine.MachineCheck;
import dev.tandem.preflight.machine.SystemFiles;
import dev.tandem.preflight.network.PortListeners;
import dev.tandem.preflight.network.PortRanges;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** Whether this machine has what the nodes that are to run on it need: their ports, and memory for weights and KV. */
public final class DeploymentCheck {
    private final SystemFiles files;

    public DeploymentCheck(SystemFiles files) {
        this.files = files;
    }

    /** Tries the ports of one address of this machine, for a moment. */
    public List<Finding> ports(String host, List<PlannedPort> planned) {
        try {
            InetAddress address = InetAddress.getByName(host);
            try (PortListeners listeners = PortListeners.open(address, PlannedPort.numbers(planned, host), 0)) {
                return ports(host, planned, listeners.taken());
            }
        } catch (UnknownHostException e) {
            return List.of(
                    new Finding(Severity.ERROR, "ports of " + host, "no such host", "name the host by its address"));
        }
    }

    /**
     * Judges the ports of one address that have been tried already.
     *
     * @param taken those that could not be bound, and why
     */
    public List<Finding> ports(String host, List<PlannedPort> planned, SortedMap<Integer, String> taken) {
        List<PlannedPort> own =
                planned.stream().filter(port -> port.host().equals(host)).toList();
        if (own.isEmpty()) {
            return List.of();
        }
        var findings = new ArrayList<Finding>();
        String subject = "ports of " + host;
        if (taken.isEmpty()) {
            findings.add(
                    Finding.of(Severity.WELL, subject, "free: " + PortRanges.text(PlannedPort.numbers(own, host))));
        }
        taken.forEach((port, reason) -> findings.add(new Finding(
                Severity.ERROR,
                "port " + host + ":" + port,
                reason + "; it is wanted for " + purposes(own, port),
                "ss -ltnp 'sport = :" + port
                        + "' shows which process holds it; if it is this deployment itself, it is running already")));
        ephemeral(own).ifPresent(findings::add);
        return findings;
    }

    private static String purposes(List<PlannedPort> ports, int number) {
        return String.join(
                " and ",
                ports.stream()
                        .filter(port -> port.port() == number)
                        .map(PlannedPort::purpose)
                        .toList());
    }

    /** Ports that an outgoing connection may hold when the node starts. */
    private Optional<Finding> ephemeral(List<PlannedPort> ports) {
        Optional<int[]> range = files.range("proc/sys/net/ipv4/ip_local_port_range");
        List<Integer> inside = ports.stream()
                .map(PlannedPort::port)
                .filter(port -> range.isPresent() && port >= range.get()[0] && port <= range.get()[1])
                .distinct()
                .toList();
        return inside.isEmpty()
                ? Optional.empty()
                : Optional.of(new Finding(
                        Severity.WARNING,
                        "ports of " + ports.getFirst().host() + " for connections",
                        PortRanges.text(inside) + " lie in " + range.orElseThrow()[0] + "-" + range.orElseThrow()[1]
                                + ", from which the system gives ports to outgoing connections",
                        "choose lower ones, or reserve them: sysctl net.ipv4.ip_local_reserved_ports="
                                + PortRanges.text(inside).replace(" ", "")));
    }

    /** Judges the memory of all nodes that run here together: a checkpoint that several of them map is counted once. */
    public List<Finding> memory(Collection<PlannedNode> nodes) {
        var findings = new ArrayList<Finding>();
        Map<Path, Long> weights = new HashMap<>();
        Map<String, Long> kv = new TreeMap<>();
        for (PlannedNode node : nodes) {
            if (!node.isHere()) {
                continue;
            }
            try {
                MemoryNeed need = MemoryNeed.of(node.config());
                weights.put(need.checkpoint().toRealPath(), need.weightBytes());
                kv.put(node.name(), need.kv().bytes());
                findings.add(Finding.of(Severity.WELL, "memory of " + node.name(), sentence(need)));
            } catch (FlagException e) {
                e.problems()
                        .forEach(problem -> findings.add(
                                new Finding(Severity.ERROR, "memory of " + node.name(), problem, "fix the flag")));
            } catch (CheckpointException | IOException e) {
                findings.add(new Finding(
                        Severity.ERROR,
                        "checkpoint of " + node.name(),
                        String.valueOf(e.getMessage()),
                        "tandem inspect CHECKPOINT tells what is in it"));
            }
        }
        if (!kv.isEmpty()) {
            findings.addAll(together(sum(weights.values()), sum(kv.values())));
        }
        return findings;
    }

    private static String sentence(MemoryNeed need) {
        return Bytes.text(need.weightBytes()) + " of weights; "
                + Bytes.text(need.kv().bytes()) + " of KV for "
                + need.kv().ranks() + (need.kv().ranks() == 1 ? " rank" : " ranks") + ", "
                + need.kv().bytesPerToken() + " bytes per token, sequences of "
                + need.kv().maxModelLength();
    }

    private List<Finding> together(long weightBytes, long kvBytes) {
        var findings = new ArrayList<Finding>();
        String parts = Bytes.text(weightBytes) + " weights, " + Bytes.text(kvBytes) + " KV";
        findings.add(MachineCheck.fits(files, "memory of all nodes here", weightBytes + kvBytes, parts)
                .orElseGet(() -> Finding.of(
                        Severity.NOTE,
                        "memory of all nodes here",
                        parts + "; this system does not report what is free")));
        Path shared = files.root().resolve("dev/shm");
        try {
            FileStore store = Files.getFileStore(shared);
            if (store.getUsableSpace() < kvBytes) {
                findings.add(new Finding(
                        Severity.WARNING,
                        "shared memory",
                        shared + " has " + Bytes.text(store.getUsableSpace()) + ", the KV pools take "
                                + Bytes.text(kvBytes),
                        "pools that find no room lie in the temporary directory, perhaps on a disk: mount -o"
                                + " remount,size=… /dev/shm, or --shm-size of the container"));
            } else {
                findings.add(Finding.of(
                        Severity.WELL, "shared memory", shared + " has " + Bytes.text(store.getUsableSpace())));
            }
        } catch (IOException e) {
            findings.add(Finding.of(
                    Severity.NOTE, "shared memory", "no " + shared + " here: KV pools lie in the temporary directory"));
        }
        return findings;
    }

    private static long sum(Collection<Long> values) {
        return values.stream().mapToLong(Long::longValue).sum();
    }
}
