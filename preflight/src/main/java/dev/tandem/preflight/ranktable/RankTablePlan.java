package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Addresses;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Which nodes have which devices in the table. All nodes must have been told the same. Devices are counted node by node in the order of the
 * addresses: the first {@code prefill} of them prefill, the next {@code decode} decode; as with gen_ranktable.sh the border may lie
 * inside a node, and devices may be left over, but no node may be left out altogether. Pure.
 *
 * @param nodes their addresses, prefill nodes first
 * @param counts of devices
 */
public record RankTablePlan(List<String> nodes, DeviceCounts counts) {
    /** Most nodes of a table. */
    public static final int MAX_NODES = 512;

    public RankTablePlan {
        nodes = List.copyOf(nodes);
    }

    /** Why no table can be made of it; empty when one can. */
    public List<String> problems() {
        var problems = new ArrayList<String>();
        if (nodes.isEmpty() || nodes.size() > MAX_NODES) {
            problems.add("--ips needs 1 to " + MAX_NODES + " addresses, found " + nodes.size());
        }
        var seen = new HashSet<InetAddress>();
        for (String node : nodes) {
            if (!Addresses.isAddress(node)) {
                problems.add("--ips has '" + node + "', which is not an IPv4 or IPv6 address");
            } else if (!seen.add(InetAddress.ofLiteral(node))) {
                problems.add("--ips has " + node + " twice");
            }
        }
        addCount(problems, "--npus-per-node", counts.perNode(), Device.MAX_DEVICE_ID + 1);
        addCount(problems, "--prefill-device-cnt", counts.prefill(), RankTable.MAX_DEVICES);
        addCount(problems, "--decode-device-cnt", counts.decode(), RankTable.MAX_DEVICES);
        if (problems.isEmpty()) {
            addSum(problems);
        }
        return problems;
    }

    private static void addCount(List<String> problems, String flag, int count, int max) {
        if (count < 1 || count > max) {
            problems.add(flag + " " + count + " is outside [1, " + max + "]");
        }
    }

    private void addSum(List<String> problems) {
        int present = nodes.size() * counts.perNode();
        String sum = "--prefill-device-cnt " + counts.prefill() + " + --decode-device-cnt " + counts.decode() + " = "
                + counts.used();
        String all = nodes.size() + " nodes x --npus-per-node " + counts.perNode() + " = " + present;
        if (counts.used() > RankTable.MAX_DEVICES) {
            problems.add(sum + " exceeds " + RankTable.MAX_DEVICES);
        } else if (counts.used() > present) {
            problems.add(sum + " exceeds " + all);
        } else if (present - counts.used() >= counts.perNode()) {
            problems.add(sum + " of " + all + " leaves node " + nodes.getLast()
                    + " without a device in the table; take it" + " out of --ips");
        }
    }

    /** What may surprise whoever reads the table. */
    public List<String> notes() {
        var notes = new ArrayList<String>();
        if (counts.prefill() % counts.perNode() != 0) {
            int node = counts.prefill() / counts.perNode();
            notes.add("node " + nodes.get(node) + " serves both sides: the first " + counts.prefill() % counts.perNode()
                    + " of its devices prefill");
        }
        int left = nodes.size() * counts.perNode() - counts.used();
        if (left > 0) {
            notes.add("the last " + left + " devices of node " + nodes.getLast() + " are in neither list");
        }
        return notes;
    }

    /** What must be the same on all nodes, by the names of the flags. */
    ObjectNode subject() {
        ObjectNode subject = JsonMapper.shared().createObjectNode().put("command", "ranktable 1");
        nodes.forEach(subject.putArray("--ips")::add);
        return subject.put("--npus-per-node", counts.perNode())
                .put("--prefill-device-cnt", counts.prefill())
                .put("--decode-device-cnt", counts.decode());
    }

    /**
     * The table.
     *
     * @param devices of each node, in the order of the nodes
     * @throws DeviceException when nodes have different kinds of devices
     * @throws dev.tandem.engine.handoff.ranktable.RankTableException when devices contradict each other
     */
    RankTable table(List<NodeDevices> devices) {
        requireOneKind(devices);
        var all = new ArrayList<Device>();
        for (int node = 0; node < nodes.size(); node++) {
            for (LocalDevice device : devices.get(node).devices()) {
                all.add(new Device(
                        nodes.get(node), device.deviceId(), device.deviceIp(), device.superPod(), all.size() + 1));
            }
        }
        return new RankTable(all.subList(0, counts.prefill()), all.subList(counts.prefill(), counts.used()));
    }

    private void requireOneKind(List<NodeDevices> devices) {
        DeviceKind first = devices.getFirst().kind();
        for (int node = 1; node < nodes.size(); node++) {
            DeviceKind kind = devices.get(node).kind();
            if (kind != first) {
                throw new DeviceException("node " + nodes.getFirst() + " has " + first.word() + " devices and node "
                        + nodes.get(node) + " has " + kind.word() + "; --device says which");
            }
        }
    }
}
