package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** What the devices of one node reported. Immutable. */
public final class NpuReport {
    private final NpuPlan.Generation generation;
    private final List<NpuDevice> devices;
    private final List<Finding> notes;

    NpuReport(NpuPlan.Generation generation, List<NpuDevice> devices, List<Finding> notes) {
        this.generation = generation;
        this.devices = List.copyOf(devices);
        this.notes = List.copyOf(notes);
    }

    /** The title line and one line per device. */
    public List<List<String>> table() {
        var rows = new ArrayList<List<String>>();
        var title = new ArrayList<String>(List.of("device"));
        NpuCheck.queries(generation).forEach(query -> title.add(query.column()));
        title.add("hccn.conf");
        if (generation == NpuPlan.Generation.A3) {
            title.add("super pod");
        }
        rows.add(title);
        for (NpuDevice device : devices) {
            var row = new ArrayList<String>(List.of(Integer.toString(device.id())));
            device.readings().values().forEach(reading -> row.add(reading.cell()));
            row.add(device.conf().cell());
            if (generation == NpuPlan.Generation.A3) {
                row.add(device.superPod().map(SuperPodMembership::toString).orElse("!! -"));
            }
            rows.add(row);
        }
        return rows;
    }

    /** All findings, device by device. */
    public List<Finding> findings() {
        var findings = new ArrayList<Finding>(notes);
        for (NpuDevice device : devices) {
            String subject = "device " + device.id() + " ";
            device.readings().forEach((query, reading) -> findings.add(reading.finding(subject + query.column())));
            if (device.conf().severity()
                    != Severity.NOTE) { // without an address there: reported once, by the file's own row
                findings.add(device.conf().finding(subject + "hccn.conf"));
            }
            if (generation == NpuPlan.Generation.A3) {
                findings.add(superPod(device));
            }
        }
        findings.addAll(NpuAgreement.within(devices));
        return findings;
    }

    private static Finding superPod(NpuDevice device) {
        String subject = "device " + device.id() + " super pod";
        return device.superPod()
                .map(pod -> Finding.of(Severity.WELL, subject, pod.toString()))
                .orElseGet(() -> new Finding(
                        Severity.ERROR,
                        subject,
                        "npu-smi reports no SDID, pod and server index",
                        "run npu-smi info -t spod-info -i CARD -c CHIP with card and chip of npu-smi info -m; on an A2"
                                + " machine give --device a2"));
    }

    /** Addresses of the devices that have one, by device: what peers ping. */
    public Map<Integer, String> addresses() {
        var addresses = new TreeMap<Integer, String>();
        devices.forEach(device -> device.address().ifPresent(address -> addresses.put(device.id(), address)));
        return addresses;
    }

    /** The TLS switch that all devices have; empty when none has one, or they differ, which is a finding. */
    public Optional<String> tls() {
        List<String> switches = devices.stream()
                .flatMap(device -> device.tls().stream())
                .distinct()
                .toList();
        return switches.size() == 1 ? Optional.of(switches.getFirst()) : Optional.empty();
    }
}
