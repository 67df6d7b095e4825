package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.Owners;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What devices must have in common, and what only one may have. Pure. */
public final class NpuAgreement {
    private static final String TLS_FIX =
            "devices with TLS cannot talk to devices without: hccn_tool -i N -tls -s enable 0 on every device of every node";

    private NpuAgreement() {}

    /** Compares the devices of one node. */
    static List<Finding> within(List<NpuDevice> devices) {
        var owners = new Owners();
        var switches = new Owners();
        var pods = new Owners();
        for (NpuDevice device : devices) {
            String id = Integer.toString(device.id());
            device.address().ifPresent(address -> owners.add(address, id));
            device.tls().ifPresent(value -> switches.add(value, id));
            device.superPod().ifPresent(pod -> pods.add(pod.podId() + "/" + pod.sdid(), id));
        }
        var findings = new ArrayList<Finding>();
        findings.addAll(doubles("device address", "address", owners));
        findings.addAll(doubles("SDID", "pod/SDID", pods));
        if (switches.byValue().size() > 1) {
            findings.add(new Finding(Severity.ERROR, "devices tls", "the switch differs: " + switches, TLS_FIX));
        }
        return findings;
    }

    /**
     * Compares the devices of all nodes.
     *
     * @param addresses of devices, by node
     * @param tls switch, by node that has one
     */
    public static List<Finding> among(Map<String, Map<Integer, String>> addresses, Map<String, String> tls) {
        var owners = new Owners();
        new TreeMap<>(addresses)
                .forEach((node, devices) -> new TreeMap<>(devices)
                        .forEach((device, address) -> owners.add(address, node + " device " + device)));
        var findings = new ArrayList<>(doubles("device address", "address", owners));
        var switches = new Owners();
        new TreeMap<>(tls).forEach((node, value) -> switches.add(value, node));
        if (switches.byValue().size() == 1) {
            findings.add(Finding.of(
                    Severity.WELL,
                    "nodes tls",
                    "the switch is " + switches.byValue().firstKey() + " everywhere"));
        } else if (switches.byValue().size() > 1) {
            findings.add(new Finding(Severity.ERROR, "nodes tls", "the switch differs: " + switches, TLS_FIX));
        }
        return findings;
    }

    private static List<Finding> doubles(String subject, String what, Owners owners) {
        var findings = new ArrayList<Finding>();
        owners.byValue().forEach((value, having) -> {
            if (having.size() > 1) {
                findings.add(new Finding(
                        Severity.ERROR,
                        subject,
                        what + " " + value + " is that of " + String.join(" and ", having),
                        "give each device its own"));
            }
        });
        return findings;
    }
}
