package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What devices must have in common, and what only one may have. Pure. */
public final class NpuAgreement {
    private static final String TLS_FIX =
            "devices with TLS cannot talk to devices without: hccn_tool -i N -tls -s enable 0 on every device of every node";

    private NpuAgreement() {}

    /** Among the devices of one node. */
    static List<Finding> within(List<NpuDevice> devices) {
        var owners = new TreeMap<String, List<String>>();
        var switches = new TreeMap<String, List<String>>();
        var pods = new TreeMap<String, List<String>>();
        for (NpuDevice device : devices) {
            String id = Integer.toString(device.id());
            device.address().ifPresent(address -> add(owners, address, id));
            device.tls().ifPresent(value -> add(switches, value, id));
            device.superPod().ifPresent(pod -> add(pods, pod.podId() + "/" + pod.sdid(), id));
        }
        var findings = new ArrayList<Finding>();
        findings.addAll(doubles("device address", "address", owners));
        findings.addAll(doubles("SDID", "pod/SDID", pods));
        if (switches.size() > 1) {
            findings.add(
                    new Finding(Severity.ERROR, "devices tls", "the switch differs: " + listed(switches), TLS_FIX));
        }
        return findings;
    }

    /**
     * Among nodes.
     *
     * @param addresses of devices, by node
     * @param tls switch, by node that has one
     */
    public static List<Finding> among(Map<String, Map<Integer, String>> addresses, Map<String, String> tls) {
        var owners = new TreeMap<String, List<String>>();
        new TreeMap<>(addresses)
                .forEach((node, devices) -> new TreeMap<>(devices)
                        .forEach((device, address) -> add(owners, address, node + " device " + device)));
        var findings = new ArrayList<>(doubles("device address", "address", owners));
        var switches = new TreeMap<String, List<String>>();
        new TreeMap<>(tls).forEach((node, value) -> add(switches, value, node));
        if (switches.size() == 1) {
            findings.add(
                    Finding.of(Severity.WELL, "nodes tls", "the switch is " + switches.firstKey() + " everywhere"));
        } else if (switches.size() > 1) {
            findings.add(new Finding(Severity.ERROR, "nodes tls", "the switch differs: " + listed(switches), TLS_FIX));
        }
        return findings;
    }

    private static void add(Map<String, List<String>> owners, String value, String owner) {
        owners.computeIfAbsent(value, _ -> new ArrayList<>()).add(owner);
    }

    private static List<Finding> doubles(String subject, String what, Map<String, List<String>> owners) {
        var findings = new ArrayList<Finding>();
        owners.forEach((value, having) -> {
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

    private static String listed(Map<String, List<String>> owners) {
        var parts = new ArrayList<String>();
        owners.forEach((value, having) -> parts.add(value + " on " + String.join(", ", having)));
        return String.join("; ", parts);
    }
}
