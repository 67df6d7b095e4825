package dev.tandem.preflight.npu;

import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.host.NpuTool;
import dev.tandem.preflight.host.ParallelCalls;
import dev.tandem.preflight.host.Tool.Absent;
import dev.tandem.preflight.host.Tool.Ended;
import dev.tandem.preflight.host.Tool.Outcome;
import dev.tandem.preflight.host.Tool.TimedOut;
import dev.tandem.preflight.host.Tool.TooLoud;
import dev.tandem.preflight.npu.NpuPlan.Generation;
import dev.tandem.preflight.ranktable.AscendOutput;
import dev.tandem.preflight.ranktable.AscendOutput.Chip;
import dev.tandem.preflight.ranktable.DeviceKind;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;

/**
 * Asks every device of a node everything that the guides ask, in parallel. A device that does not answer costs its own rows only. Stateless;
 * the caller's thread waits for at most the number of runs, divided by those at a time, times the limit of one.
 */
public final class NpuCheck {
    private static final Path DEVICE_FOLDER = Path.of("/dev");
    private static final String DEVICE_FILES = "davinci[0-9]*";

    private NpuCheck() {}

    /** The queries of a generation, in the order of the table. */
    static List<HccnQuery> queries(Generation generation) {
        var queries = new ArrayList<>(List.of(
                HccnQuery.LLDP,
                HccnQuery.LINK,
                HccnQuery.NET_HEALTH,
                HccnQuery.NETDETECT,
                HccnQuery.GATEWAY,
                HccnQuery.TLS));
        queries.add(
                switch (generation) {
                    case A2 -> HccnQuery.IP;
                    case A3 -> HccnQuery.VNIC;
                });
        return queries;
    }

    /**
     * What there is to ask on this machine.
     *
     * @param tools where the vendor's programs are
     * @return empty on a machine whose devices are its cores
     * @throws FlagException when the devices cannot be counted
     */
    public static Optional<NpuPlan> plan(DeviceRequest request, NpuPlan.Tools tools) throws InterruptedException {
        NpuPlan.Bounds bounds = request.bounds();
        boolean hasDevices = request.kind().isPresent()
                ? request.kind().get() != DeviceKind.CPU
                : hasTool(tools.hccnTool(), bounds.query());
        if (!hasDevices) {
            return Optional.empty();
        }
        Generation generation = request.kind().isPresent()
                ? Generation.valueOf(request.kind().get().name())
                : generation(tools, bounds.query());
        int devices = request.count().isPresent()
                ? request.count().getAsInt()
                : countDevices(DEVICE_FOLDER)
                        .orElseThrow(() -> new FlagException(
                                "there are no /dev/davinci* to count: give --devices, or --device cpu"));
        return Optional.of(new NpuPlan(tools, generation, devices, bounds));
    }

    /** Whether the tool can be started here at all. */
    static boolean hasTool(String hccnTool, Duration limit) throws InterruptedException {
        return !(NpuTool.run(hccnTool, HccnQuery.LINK.arguments(0), limit) instanceof Absent);
    }

    /** A3 where {@code npu-smi} says a super pod of device 0. */
    static Generation generation(NpuPlan.Tools tools, Duration limit) throws InterruptedException {
        Chip first = chips(tools, limit).getOrDefault(0, SuperPodMembership.usualChip(0));
        Outcome outcome = NpuTool.run(tools.npuSmi(), SuperPodMembership.arguments(first), limit);
        return outcome instanceof Ended ended
                        && SuperPodMembership.read(ended.output()).isPresent()
                ? Generation.A3
                : Generation.A2;
    }

    /** How npu-smi counts the devices; empty where it does not tell. */
    private static Map<Integer, Chip> chips(NpuPlan.Tools tools, Duration limit) throws InterruptedException {
        Outcome outcome = NpuTool.run(tools.npuSmi(), List.of("info", "-m"), limit);
        return outcome instanceof Ended ended && ended.status() == 0 ? AscendOutput.chips(ended.output()) : Map.of();
    }

    /** Device files of the driver; empty where there are none to count. */
    static Optional<Integer> countDevices(Path dev) {
        int count = 0;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(dev, DEVICE_FILES)) {
            for (Path file : files) {
                count += file.getFileName().toString().matches("davinci[0-9]+") ? 1 : 0;
            }
        } catch (IOException e) {
            return Optional.empty(); // no such folder: not a Linux, and nothing to count
        }
        return count == 0 ? Optional.empty() : Optional.of(count);
    }

    /** Runs all queries. */
    public static NpuReport run(NpuPlan plan) throws InterruptedException {
        var notes = new ArrayList<Finding>();
        Optional<HccnConf> conf = conf(plan.tools().hccnConf(), notes);
        var asked = new ArrayList<Callable<DeviceReading>>();
        var pods = new ArrayList<Callable<Optional<SuperPodMembership>>>();
        Map<Integer, Chip> chips = plan.generation() == Generation.A3
                ? chips(plan.tools(), plan.bounds().query())
                : Map.of();
        List<HccnQuery> queries = queries(plan.generation());
        for (int device = 0; device < plan.devices(); device++) {
            int id = device;
            queries.forEach(query -> asked.add(() -> ask(plan, query, id)));
            pods.add(() -> plan.generation() == Generation.A3
                    ? superPod(plan, chips.getOrDefault(id, SuperPodMembership.usualChip(id)))
                    : Optional.empty());
        }
        List<DeviceReading> readings =
                ParallelCalls.run("npu-query", plan.bounds().parallel(), asked);
        List<Optional<SuperPodMembership>> superPods =
                ParallelCalls.run("npu-query", plan.bounds().parallel(), pods);
        var devices = new ArrayList<NpuDevice>();
        for (int device = 0; device < plan.devices(); device++) {
            var own = new EnumMap<HccnQuery, DeviceReading>(HccnQuery.class);
            for (int i = 0; i < queries.size(); i++) {
                own.put(queries.get(i), readings.get(device * queries.size() + i));
            }
            devices.add(new NpuDevice(device, own, compared(conf, device, own), superPods.get(device)));
        }
        return new NpuReport(plan.generation(), devices, notes);
    }

    private static Optional<HccnConf> conf(Path file, List<Finding> notes) {
        try {
            HccnConf conf = HccnConf.read(file);
            notes.add(Finding.of(
                    Severity.WELL,
                    file.toString(),
                    conf.values().size() + " settings, addresses of " + conf.addressCount() + " devices"));
            return Optional.of(conf);
        } catch (IOException e) {
            notes.add(new Finding(
                    Severity.ERROR,
                    file.toString(),
                    "cannot be read: " + e,
                    "in a container mount it (-v " + file + ":" + file + "); on the host set the devices' addresses"));
            return Optional.empty();
        }
    }

    /** What the driver restores after a restart should be what the device has now. */
    private static DeviceReading compared(Optional<HccnConf> conf, int device, Map<HccnQuery, DeviceReading> readings) {
        Optional<String> kept = conf.flatMap(values -> values.address(device));
        Optional<String> now = Optional.ofNullable(readings.get(HccnQuery.IP)).flatMap(DeviceReading::value);
        if (kept.isEmpty()) {
            return DeviceReading.note("-", "no address of device " + device);
        }
        if (now.isPresent() && !now.equals(kept)) {
            return DeviceReading.of(
                    Severity.WARNING,
                    kept.get(),
                    "the device has " + now.get() + " now and gets " + kept.get() + " after a restart");
        }
        return DeviceReading.well(kept.get());
    }

    private static DeviceReading ask(NpuPlan plan, HccnQuery query, int device) throws InterruptedException {
        List<String> arguments = query.arguments(device);
        Outcome outcome =
                NpuTool.run(plan.tools().hccnTool(), arguments, plan.bounds().query());
        return switch (outcome) {
            case Ended ended when ended.status() == 0 -> query.read(device, ended.output());
            case Ended ended -> failed(query, device, ended);
            case TimedOut late -> unanswered(plan, arguments, late);
            case TooLoud loud -> unanswered(plan, arguments, loud);
            case Absent absent -> unanswered(plan, arguments, absent);
        };
    }

    /** A tool that fails because there is nothing to show is read like one that shows nothing. */
    private static DeviceReading failed(HccnQuery query, int device, Ended ended) {
        DeviceReading read = query.read(device, ended.output());
        return switch (read.severity()) {
            case WELL ->
                DeviceReading.of(
                        Severity.ERROR,
                        read.value().orElse("-"),
                        "the tool ended with status " + ended.status() + " all the same; run it by hand");
            case NOTE, WARNING, ERROR -> read;
        };
    }

    private static DeviceReading unanswered(NpuPlan plan, List<String> arguments, Outcome outcome) {
        return DeviceReading.error(
                outcome.sentence(),
                "run " + NpuTool.typed(plan.tools().hccnTool(), arguments)
                        + " by hand; a device that does not answer may need a reset of its driver");
    }

    private static Optional<SuperPodMembership> superPod(NpuPlan plan, Chip chip) throws InterruptedException {
        Outcome outcome = NpuTool.run(
                plan.tools().npuSmi(),
                SuperPodMembership.arguments(chip),
                plan.bounds().query());
        return outcome instanceof Ended ended ? SuperPodMembership.read(ended.output()) : Optional.empty();
    }

    /**
     * Pings from every device of this node to every device of the others.
     *
     * @param peers addresses of devices, by node
     * @return a finding for each device and node
     */
    public static List<Finding> ping(NpuPlan plan, Map<String, Map<Integer, String>> peers)
            throws InterruptedException {
        var pings = new ArrayList<Callable<Ping>>();
        for (int device = 0; device < plan.devices(); device++) {
            int id = device;
            peers.forEach((node, addresses) ->
                    addresses.values().forEach(address -> pings.add(() -> ping(plan, id, node, address))));
        }
        var byPair = new TreeMap<String, List<Ping>>();
        for (Ping ping : ParallelCalls.run("npu-query", plan.bounds().parallel(), pings)) {
            byPair.computeIfAbsent(ping.pair(), _ -> new ArrayList<>()).add(ping);
        }
        return byPair.entrySet().stream()
                .map(entry -> summary(entry.getKey(), entry.getValue()))
                .toList();
    }

    /** One ping: {@code failure} is empty when all packets came back. */
    private record Ping(String pair, String address, Optional<Double> slowestMs, String failure) {}

    private static Ping ping(NpuPlan plan, int device, String node, String address) throws InterruptedException {
        String option = plan.generation() == Generation.A2 ? "-ping" : "-hccs_ping";
        List<String> arguments = List.of("-i", Integer.toString(device), option, "-g", "address", address);
        Outcome outcome =
                NpuTool.run(plan.tools().hccnTool(), arguments, plan.bounds().query());
        String pair = String.format("device %3d -> %s", device, node);
        if (!(outcome instanceof Ended ended)) {
            return new Ping(pair, address, Optional.empty(), outcome.sentence());
        }
        Optional<PingAnswer> answer = PingAnswer.read(ended.output());
        String failure = answer.map(it -> it.isWell() ? "" : it.received() + " of " + it.sent() + " packets came back")
                .orElseGet(() -> "no answer: " + HccnQuery.quoted(ended.output()));
        return new Ping(pair, address, answer.flatMap(PingAnswer::slowestMs), failure);
    }

    private static Finding summary(String pair, List<Ping> pings) {
        List<Ping> failed =
                pings.stream().filter(ping -> !ping.failure().isEmpty()).toList();
        if (failed.isEmpty()) {
            String slowest = pings.stream()
                    .flatMap(ping -> ping.slowestMs().stream())
                    .max(Double::compare)
                    .map(ms -> String.format(Locale.ROOT, ", slowest answer after %.3f ms", ms))
                    .orElse("");
            return Finding.of(Severity.WELL, "ping " + pair, "all " + pings.size() + " devices answer" + slowest);
        }
        var reasons = new ArrayList<String>();
        failed.forEach(ping -> reasons.add(ping.address() + ": " + ping.failure()));
        return new Finding(
                Severity.ERROR,
                "ping " + pair,
                failed.size() + " of " + pings.size() + " devices do not answer: " + String.join("; ", reasons),
                "look at address, netmask and gateway of both ends, at the VLANs of the switch ports, and whether the tls"
                        + " switch is equal");
    }
}
