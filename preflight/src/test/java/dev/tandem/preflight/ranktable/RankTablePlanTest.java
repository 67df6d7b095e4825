package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.SuperPod;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RankTablePlanTest {
    private static final List<String> TWO = List.of("172.22.0.218", "172.22.0.155");
    private static final List<String> THREE = List.of("192.0.0.1", "192.0.0.2", "192.0.0.3");

    private static RankTablePlan plan(List<String> nodes, int perNode, int prefill, int decode) {
        return new RankTablePlan(nodes, new DeviceCounts(perNode, prefill, decode));
    }

    private static NodeDevices devices(DeviceKind kind, int count, IntFunction<LocalDevice> device) {
        return new NodeDevices(kind, IntStream.range(0, count).mapToObj(device).toList());
    }

    private static LocalDevice a2(int id, String address) {
        return new LocalDevice(id, address, Optional.empty());
    }

    private static void assertRefused(RankTablePlan plan, String... words) {
        assertThat(String.join("; ", plan.problems())).contains(words);
    }

    @Test
    void shouldMakeTheTableOfOneNodeThatServesBothSides() {
        var plan = plan(List.of("192.0.0.1"), 8, 4, 4);
        assertThat(plan.problems()).isEmpty();
        var devices = devices(DeviceKind.A2, 8, id -> a2(id, "29.19.139." + (11 + id)));
        assertThat(plan.table(List.of(devices)).toJson()).isEqualTo(Tables.text("a2-1x8.json"));
        assertThat(plan.notes())
                .containsExactly("node 192.0.0.1 serves both sides: the first 4 of its devices prefill");
    }

    @Test
    void shouldMakeTheTableOfTwoA2Nodes() {
        var plan = plan(TWO, 16, 16, 16);
        var devices = new ArrayList<NodeDevices>();
        for (int node = 0; node < 2; node++) {
            String network = "29.19." + (139 + node) + ".";
            devices.add(devices(DeviceKind.A2, 16, id -> a2(id, network + (11 + id))));
        }
        assertThat(plan.table(devices).toJson()).isEqualTo(Tables.text("a2-2x16.json"));
        assertThat(plan.notes()).isEmpty();
    }

    @Test
    void shouldMakeTheTableOfTwoA3Nodes() {
        var plan = plan(TWO, 16, 16, 16);
        var devices = new ArrayList<NodeDevices>();
        for (int node = 0; node < 2; node++) {
            int server = node;
            devices.add(devices(
                    DeviceKind.A3,
                    16,
                    id -> new LocalDevice(
                            id,
                            "192.168." + (server + 1) + "." + (199 + id),
                            Optional.of(new SuperPod("0", "" + (16777216 * (server + 4) + 65536 * (id / 2) + id))))));
        }
        assertThat(plan.table(devices).toJson()).isEqualTo(Tables.text("a3-2x16.json"));
    }

    @Test
    void shouldMakeTheTableOfUnevenSides() {
        var plan = plan(THREE, 2, 2, 4);
        assertThat(plan.problems()).isEmpty();
        var devices = List.of(
                new NodeDevices(DeviceKind.A2, List.of(a2(0, "10.20.0.10"), a2(1, "10.20.0.11"))),
                new NodeDevices(DeviceKind.A2, List.of(a2(6, "10.20.1.16"), a2(7, "10.20.1.17"))),
                new NodeDevices(DeviceKind.A2, List.of(a2(6, "10.20.2.16"), a2(7, "10.20.2.17"))));
        assertThat(plan.table(devices).toJson()).isEqualTo(Tables.text("a2-uneven-2p4d.json"));
    }

    @Test
    void shouldRefuseCountsThatDoNotAddUp() {
        assertRefused(
                plan(TWO, 16, 16, 17),
                "--prefill-device-cnt 16 + --decode-device-cnt 17 = 33 exceeds 2 nodes x --npus-per-node 16 = 32");
        assertRefused(
                plan(TWO, 16, 8, 8), "= 16 of 2 nodes x --npus-per-node 16 = 32 leaves node 172.22.0.155 without");
        assertRefused(plan(TWO, 0, 8, 0), "--npus-per-node 0 is outside", "--decode-device-cnt 0 is outside");
        assertThat(plan(TWO, 16, 16, 15).problems()).isEmpty();
        assertThat(plan(TWO, 16, 16, 15).notes())
                .containsExactly("the last 1 devices of node 172.22.0.155 are in neither list");
    }

    @Test
    void shouldRefuseAddressesThatAreNone() {
        assertRefused(plan(List.of("172.22.0.218", "172.22.0.218"), 8, 8, 8), "--ips has 172.22.0.218 twice");
        assertRefused(plan(List.of("fe80::1", "fe80:0::1"), 8, 8, 8), "--ips has fe80:0::1 twice");
        assertRefused(plan(List.of("node1", "172.22.0.300"), 8, 8, 8), "'node1'", "'172.22.0.300'");
        assertRefused(plan(List.of(), 8, 8, 8), "--ips needs 1 to 512 addresses, found 0");
    }

    @Test
    void shouldRefuseNodesWithDifferentDevices() {
        var plan = plan(List.of("127.0.21.1", "127.0.21.2"), 1, 1, 1);
        var without = NodeDevices.withoutAccelerators("127.0.21.1", List.of(0));
        var with = new NodeDevices(DeviceKind.A2, List.of(a2(0, "10.20.0.10")));
        assertThatThrownBy(() -> plan.table(List.of(without, with)))
                .isInstanceOf(DeviceException.class)
                .hasMessageContaining("node 127.0.21.1 has cpu devices and node 127.0.21.2 has a2");
    }

    @Test
    void shouldRefuseDevicesOfTwoNodesThatHaveOneAddress() {
        var plan = plan(TWO, 1, 1, 1);
        var same = new NodeDevices(DeviceKind.A2, List.of(a2(0, "10.20.0.10")));
        assertThatThrownBy(() -> plan.table(List.of(same, same)))
                .isInstanceOf(RankTableException.class)
                .hasMessageContaining("decode_device_list[0].device_ip: expected each device once, found 10.20.0.10");
    }

    @Test
    void shouldRefuseWhatANodeMustNotBring() {
        String node = "172.22.0.155";
        var fine = new NodeDevices(DeviceKind.A2, List.of(a2(0, "10.20.0.10")));
        assertThat(NodeDevices.fromJson(node, fine.toJson(), 1)).isEqualTo(fine);
        assertThatThrownBy(() -> NodeDevices.fromJson(node, fine.toJson(), 2))
                .hasMessage("node 172.22.0.155 brought 1 devices, not 2");
        assertThatThrownBy(() -> NodeDevices.fromJson(node, NodeDevices.error("device 3: gone"), 1))
                .hasMessage("node 172.22.0.155: device 3: gone");
        assertThatThrownBy(() -> NodeDevices.fromJson(node, fine.toJson().put("kind", "gpu"), 1))
                .hasMessageContaining("node 172.22.0.155 brought no kind of device");
        var wrong = new NodeDevices(DeviceKind.A2, List.of(a2(0, "\"}],")));
        assertThatThrownBy(() -> NodeDevices.fromJson(node, wrong.toJson(), 1))
                .hasMessageContaining("node 172.22.0.155 brought a device")
                .hasMessageContaining("device_ip");
    }
}
