package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalDevicesTest {
    private static final Machine MACHINE = new Machine(Set.of("lo"), Set.of("127.0.0.1"));

    @TempDir
    Path folder;

    private Path table = Path.of("ranktable.json");

    /** Four devices on each of two nodes. */
    @BeforeEach
    void writeTable() throws IOException {
        table = folder.resolve("ranktable.json");
        Files.writeString(table, new RankTable(devices("127.0.22.1", 1), devices("127.0.22.2", 5)).toJson());
    }

    private static List<Device> devices(String host, int firstClusterId) {
        var devices = new ArrayList<Device>();
        for (int id = 0; id < 4; id++) {
            devices.add(new Device(host, id, host, Optional.empty(), firstClusterId + id));
        }
        return devices;
    }

    private Optional<LocalDevices> own(String role, String host, String arguments, Map<String, String> further) {
        var all = new ArrayList<>(List.of(
                "m",
                "--kv-transfer-config",
                "{\"kv_connector\": \"LLMDataDistCMgrConnector\", \"kv_role\": \"" + role + "\"}"));
        all.addAll(List.of(arguments.split(" +")));
        var variables = new HashMap<>(further);
        variables.put("DISAGGREGATED_PREFILL_RANK_TABLE_PATH", table.toString());
        variables.put("HCCL_IF_IP", host);
        return LocalDevices.of(new NodeConfig(ServeFlags.parse(all), NodeEnvironment.read(variables, MACHINE), 8));
    }

    private String problem(String role, String host, String arguments, Map<String, String> further) {
        List<String> problems = catchThrowableOfType(FlagException.class, () -> own(role, host, arguments, further))
                .problems();
        assertThat(problems).hasSize(1);
        return problems.getFirst();
    }

    @Test
    void shouldGiveEachReplicaItsDevicesInTheTablesOrder() {
        LocalDevices own = own(
                        "kv_consumer",
                        "127.0.22.2",
                        "--data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-start-rank 2 --headless"
                                + " --tensor-parallel-size 2",
                        Map.of())
                .orElseThrow();
        assertThat(own.ofReplica(2)).extracting(Device::clusterId).containsExactly(5, 6);
        assertThat(own.ofReplica(3)).extracting(Device::clusterId).containsExactly(7, 8);
    }

    @Test
    void shouldStandForTheDevicesThatAreVisible() {
        LocalDevices own = own(
                        "kv_producer",
                        "127.0.22.1",
                        "--tensor-parallel-size 2",
                        Map.of("ASCEND_RT_VISIBLE_DEVICES", "2,3"))
                .orElseThrow();
        assertThat(own.ofReplica(0)).extracting(Device::deviceId).containsExactly(2, 3);
        assertThat(problem(
                        "kv_producer",
                        "127.0.22.1",
                        "--tensor-parallel-size 4",
                        Map.of("ASCEND_RT_VISIBLE_DEVICES", "2,3")))
                .contains("runs 4 ranks", "2 devices of server_id 127.0.22.1", "ASCEND_RT_VISIBLE_DEVICES [2, 3]");
    }

    @Test
    void shouldInsistThatTheRoleIsTheListsAndTheAddressTheTables() {
        assertThat(problem("kv_producer", "127.0.22.2", "--tensor-parallel-size 4", Map.of()))
                .contains(
                        "kv_role kv_producer must be in prefill_device_list",
                        "names 127.0.22.1",
                        "is in decode_device_list");
        assertThat(problem("kv_consumer", "127.0.22.3", "--tensor-parallel-size 4", Map.of()))
                .contains("decode_device_list", "127.0.22.3 is in neither list");
    }

    @Test
    void shouldInsistOnADeviceForEachRank() {
        assertThat(problem("kv_producer", "127.0.22.1", "--tensor-parallel-size 16", Map.of()))
                .contains(
                        "this node runs 16 ranks (16 tensor-parallel x 1 data-parallel)",
                        table.toString(),
                        "has 4 devices");
    }

    @Test
    void shouldNotExpectDevicesOfAHeadWithoutRanks() {
        String arguments = "--data-parallel-size 2 --data-parallel-size-local 0";
        assertThat(own("kv_consumer", "127.0.22.3", arguments, Map.of())
                        .orElseThrow()
                        .devices())
                .isEmpty();
    }

    @Test
    void shouldNameTheFileThatIsNoRankTable() throws IOException {
        Files.writeString(table, "{\"version\": \"1.1\"}");
        assertThat(problem("kv_producer", "127.0.22.1", "--tensor-parallel-size 4", Map.of()))
                .contains("DISAGGREGATED_PREFILL_RANK_TABLE_PATH: ", table.toString());
        table = folder.resolve("nothing.json");
        assertThat(problem("kv_producer", "127.0.22.1", "--tensor-parallel-size 4", Map.of()))
                .contains("nothing.json");
    }
}
