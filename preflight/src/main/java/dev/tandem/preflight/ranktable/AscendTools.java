package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.SuperPod;
import dev.tandem.preflight.host.NpuTool;
import dev.tandem.preflight.host.ParallelCalls;
import dev.tandem.preflight.host.Tool.Ended;
import dev.tandem.preflight.host.Tool.Outcome;
import dev.tandem.preflight.ranktable.AscendOutput.Chip;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;

/**
 * Asks {@code hccn_tool} and {@code npu-smi} for the addresses of this node's devices: at most {@value #PARALLEL_QUERIES} queries at a time,
 * each with a time limit within which a query is repeated while the tool is busy. Stateless; any thread, which waits.
 */
public final class AscendTools {
    private static final int PARALLEL_QUERIES = 8;

    private final String hccnTool;
    private final String npuSmi;
    private final Duration queryLimit;

    /**
     * @param hccnTool the program, a path or a name on the PATH
     * @param npuSmi the program, a path or a name on the PATH
     * @param queryLimit longest time of one query
     */
    public AscendTools(String hccnTool, String npuSmi, Duration queryLimit) {
        this.hccnTool = hccnTool;
        this.npuSmi = npuSmi;
        this.queryLimit = queryLimit;
    }

    /** One device, or why its queries failed. */
    private record QueryResult(Optional<LocalDevice> device, String problem) {}

    /** A query without a usable answer; it is reported together with all others. */
    private static final class QueryException extends Exception {
        private static final long serialVersionUID = 1L;

        QueryException(String message) {
            super(message);
        }
    }

    /**
     * A3 where the first device has a place in a super pod, A2 where npu-smi answers otherwise.
     *
     * @throws DeviceException when npu-smi cannot be asked: {@code --device} must say it then
     */
    public DeviceKind kind() throws InterruptedException {
        try {
            Chip first = chips().values().iterator().next();
            return superPodOutcome(first) instanceof Ended ended
                            && ended.status() == 0
                            && AscendOutput.superPod(ended.output()).isPresent()
                    ? DeviceKind.A3
                    : DeviceKind.A2;
        } catch (QueryException e) {
            throw new DeviceException(e.getMessage() + "; --device a2 or a3 says what this node is");
        }
    }

    /**
     * Addresses of devices.
     *
     * @param kind A2 or A3
     * @throws DeviceException naming each device that did not tell, its command, and what that said
     */
    public NodeDevices devices(DeviceKind kind, List<Integer> deviceIds) throws InterruptedException {
        Map<Integer, Chip> chips = kind == DeviceKind.A3 ? presentChips(deviceIds) : Map.of();
        var devices = new ArrayList<LocalDevice>();
        var problems = new ArrayList<String>();
        var queries = new ArrayList<Callable<QueryResult>>();
        deviceIds.forEach(id -> queries.add(() -> query(id, Optional.ofNullable(chips.get(id)))));
        for (QueryResult result : ParallelCalls.run("device-query", PARALLEL_QUERIES, queries)) {
            result.device().ifPresentOrElse(devices::add, () -> problems.add(result.problem()));
        }
        if (!problems.isEmpty()) {
            throw new DeviceException(String.join("; ", problems));
        }
        return new NodeDevices(kind, devices);
    }

    private Map<Integer, Chip> presentChips(List<Integer> deviceIds) throws InterruptedException {
        try {
            Map<Integer, Chip> chips = chips();
            List<Integer> absent =
                    deviceIds.stream().filter(id -> !chips.containsKey(id)).toList();
            if (!absent.isEmpty()) {
                throw new DeviceException("devices " + absent + " are not here; npu-smi info -m has " + chips.keySet());
            }
            return chips;
        } catch (QueryException e) {
            throw new DeviceException(String.valueOf(e.getMessage()));
        }
    }

    private Map<Integer, Chip> chips() throws InterruptedException, QueryException {
        List<String> command = List.of(npuSmi, "info", "-m");
        Map<Integer, Chip> chips = AscendOutput.chips(output(command));
        if (chips.isEmpty()) {
            throw new QueryException(String.join(" ", command) + ": no table of chips");
        }
        return chips;
    }

    private QueryResult query(int id, Optional<Chip> chip) throws InterruptedException {
        try {
            return new QueryResult(Optional.of(ask(id, chip)), "");
        } catch (QueryException e) {
            return new QueryResult(Optional.empty(), "device " + id + ": " + e.getMessage());
        }
    }

    /** @param chip on A3 */
    private LocalDevice ask(int id, Optional<Chip> chip) throws InterruptedException, QueryException {
        List<String> command = List.of(hccnTool, "-i", "" + id, chip.isPresent() ? "-vnic" : "-ip", "-g");
        String output = output(command);
        String address = (chip.isPresent() ? AscendOutput.virtualAddress(output) : AscendOutput.portAddress(output))
                .orElseThrow(() -> unreadable(command, "one line with its address", output));
        if (chip.isEmpty()) {
            return new LocalDevice(id, address, Optional.empty());
        }
        List<String> podCommand = superPodCommand(chip.get());
        String podOutput = output(podCommand);
        SuperPod pod = AscendOutput.superPod(podOutput)
                .orElseThrow(() -> unreadable(podCommand, "one line with SDID and one with Super Pod ID", podOutput));
        return new LocalDevice(id, address, Optional.of(pod));
    }

    private static QueryException unreadable(List<String> command, String expected, String output) {
        return new QueryException(String.join(" ", command) + ": expected " + expected + ", found: " + output.strip());
    }

    private Outcome superPodOutcome(Chip chip) throws InterruptedException {
        return run(superPodCommand(chip));
    }

    private List<String> superPodCommand(Chip chip) {
        return List.of(npuSmi, "info", "-t", "spod-info", "-i", "" + chip.card(), "-c", "" + chip.chip());
    }

    private String output(List<String> command) throws InterruptedException, QueryException {
        Outcome outcome = run(command);
        if (outcome instanceof Ended ended && ended.status() == 0) {
            return ended.output();
        }
        throw new QueryException(String.join(" ", command) + " " + outcome.sentence());
    }

    private Outcome run(List<String> command) throws InterruptedException {
        return NpuTool.run(command.getFirst(), command.subList(1, command.size()), queryLimit);
    }
}
