package dev.tandem.engine.handoff.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RankTableTest {
    private static final String A2 = text("a2-1x8.json");
    private static final String A3 = text("a3-2x16.json");
    private static final String CPU = text("cpu-2x4.json");

    private static String text(String name) {
        try (InputStream in = RankTableTest.class.getResourceAsStream("/ranktable/" + name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException(name, e);
        }
    }

    private static RankTable parsed(String json) {
        return new RankTableReader("ranktable.json").parse(json.getBytes(StandardCharsets.UTF_8));
    }

    /** Asserts that a changed table is refused in these words. */
    private static void assertRefused(String json, String from, String to, String... words) {
        assertThat(json).contains(from);
        int at = json.lastIndexOf(from);
        assertThatThrownBy(() -> parsed(json.substring(0, at) + to + json.substring(at + from.length())))
                .isInstanceOf(RankTableException.class)
                .hasMessageStartingWith("ranktable.json: ")
                .hasMessageContainingAll(words);
    }

    @ParameterizedTest
    @ValueSource(strings = {"a2-1x8.json", "a2-2x16.json", "a3-2x16.json", "a2-uneven-2p4d.json", "cpu-2x4.json"})
    void shouldWriteTheDocumentedFormByteForByte(String name) {
        assertThat(parsed(text(name)).toJson()).isEqualTo(text(name));
    }

    @Test
    void shouldShowNoControlCharacterOfWhatWasFound() {
        assertThat(RankTableException.refuse("version", "1.2", "a\n\u001b[2Jb\u009b2Jc"))
                .hasMessageContaining("a??[2Jb?2Jc");
    }

    @Test
    void shouldReadEveryFieldOfAnA3Device() {
        RankTable table = parsed(A3);
        assertThat(table.isA3()).isTrue();
        assertThat(table.serverCount()).isEqualTo(2);
        assertThat(table.decode()).hasSize(16);
        assertThat(table.decode().getLast())
                .isEqualTo(new Device(
                        "172.22.0.155",
                        15,
                        "192.168.2.214",
                        Optional.of(new SuperPod("0", "" + (16777216 * 5 + 65536 * 7 + 15))),
                        32));
    }

    @Test
    void shouldFindADeviceByNodeAndLocalRank() {
        RankTable table = parsed(text("a2-uneven-2p4d.json"));
        InetAddress third = InetAddress.ofLiteral("192.0.0.3");
        assertThat(table.device(Side.DECODE, third, 1).orElseThrow().deviceIp()).isEqualTo("10.20.2.17");
        assertThat(table.device(Side.DECODE, third, 2)).isEmpty();
        assertThat(table.devices(Side.PREFILL, third)).isEmpty();
        assertThat(table.servers(Side.DECODE)).containsExactly("192.0.0.2", "192.0.0.3");
    }

    @Test
    void shouldKnowWhichServersAreThisHost() {
        List<InetAddress> own = List.of(InetAddress.ofLiteral("10.0.0.9"), InetAddress.ofLiteral("172.22.0.155"));
        assertThat(parsed(A3).servers())
                .filteredOn(server -> Addresses.isOwn(Addresses.parsed(server), own))
                .containsExactly("172.22.0.155");
        assertThat(parsed(A2).servers()).noneMatch(server -> Addresses.isOwn(Addresses.parsed(server), own));
    }

    @Test
    void shouldTakeEveryLoopbackAddressForThisHosts() {
        assertThat(parsed(CPU).servers())
                .filteredOn(server ->
                        Addresses.isOwn(Addresses.parsed(server), List.of(InetAddress.ofLiteral("127.0.0.1"))))
                .containsExactly("127.0.21.1", "127.0.21.2");
    }

    @Test
    void shouldLetRanksWithoutAcceleratorsShareTheirNodesAddress() {
        assertThat(parsed(CPU).decode()).allMatch(Device::hasNodeAddress);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    "version": "1.2"        | "version": "1.0"       | version: expected "1.2", found "1.0"
                    "version": "1.2"        | "version": 1.2         | version: expected a string (every value is one), found 1.2
                    "completed"             | "initializing"         | status: expected "completed", found "initializing"
                    "server_count": "1"     | "server_count": "2"    | server_count: expected 1, the different server_id [192.0.0.1], found 2
                    "server_count": "1"     | "server_count": "01"   | server_count: expected a number of 1 to 4096 as a string, found "01"
                    "device_id": "7"        | "device_id": 7         | decode_device_list[3].device_id: expected a string (every value is one), found 7
                    "device_id": "7"        | "device_id": "-1"      | decode_device_list[3].device_id: expected a number of 0 to 1023
                    "device_id": "7"        | "device_id": "0"       | decode_device_list[3].device_id: expected each device once, found device 0 of 192.0.0.1, which is at prefill_device_list[0].device_id too
                    "29.19.139.18"          | "29.19.139.11"         | decode_device_list[3].device_ip: expected each device once, found 29.19.139.11, which is at prefill_device_list[0].device_ip too
                    "29.19.139.18"          | "29.19.139"            | decode_device_list[3].device_ip: expected an IPv4 or IPv6 address, found '29.19.139'
                    "29.19.139.18"          | "29.19.139.256"        | decode_device_list[3].device_ip: expected an IPv4 or IPv6 address, found '29.19.139.256'
                    "29.19.139.18"          | "29.19.139.018"        | decode_device_list[3].device_ip: expected an IPv4 or IPv6 address, found '29.19.139.018'
                    "cluster_id": "8"       | "cluster_id": "9"      | decode_device_list[3].cluster_id: expected 8 (1..n over prefill, then decode devices), found 9
                    "cluster_id": "8"       | "cluster_id": "7"      | decode_device_list[3].cluster_id: expected 8
                    "cluster_id": "8"       | "clusterid": "8"       | decode_device_list[3].clusterid: expected no such key (the nearest is cluster_id)
                    "server_id": "192.0.0.1"| "server_id": "host"    | decode_device_list[3].server_id: expected an IPv4 or IPv6 address, found 'host'
                    "status"                | "state"                | state: expected no such key (the nearest is status)
                    "status"                | "status": "x", "status"| expected valid JSON
                    "prefill_device_list": [| "prefill_device_list": [], "decode_device_lists": [ | decode_device_lists: expected no such key (the nearest is decode_device_list)
                    """)
    void shouldNameTheEntryThatIsWrong(String from, String to, String words) {
        assertRefused(A2, from, to, words);
    }

    @Test
    void shouldNameAValueThatIsMissing() {
        assertRefused(
                A2,
                ",\n            \"cluster_id\": \"8\"",
                "",
                "decode_device_list[3].cluster_id: expected a value, found nothing");
    }

    @Test
    void shouldRefuseATableThatIsA2AndA3() {
        assertRefused(
                A3,
                "            \"super_pod_id\": \"0\",\n            \"super_device_id\": \"84344847\",\n",
                "",
                "decode_device_list[15].super_pod_id: expected one, as the first device has (A3), found none");
    }

    @Test
    void shouldRefuseAnA3DeviceWithHalfOfItsPlace() {
        assertRefused(
                A3,
                "            \"super_device_id\": \"84344847\",\n",
                "",
                "decode_device_list[15].super_device_id: expected a value, found nothing");
        assertRefused(A3, "84344847", "4294967296", "super_device_id: expected a decimal number of 32 bits");
        assertRefused(
                A3,
                "84344847",
                "67108864",
                "each device once, found device 67108864 of super pod 0, which is at"
                        + " prefill_device_list[0].super_device_id too");
    }

    @Test
    void shouldRefuseAnEmptySide() {
        assertThatThrownBy(() -> new RankTable(List.of(), parsed(A2).decode()))
                .hasMessage("prefill_device_list: expected at least one device, found none");
    }

    @Test
    void shouldRefuseWhatIsNoJsonObject() {
        for (String text : List.of("", "[]", "{", A2 + "{}", "\"x\"", "{\"version\": {\"a\": {\"b\": {\"c\": {}}}}}")) {
            assertThatThrownBy(() -> parsed(text))
                    .as(text)
                    .isInstanceOf(RankTableException.class)
                    .hasMessageStartingWith("ranktable.json: ");
        }
    }

    @Test
    void shouldRefuseMoreDevicesThanTheLimit() {
        var devices = new ArrayList<Device>();
        for (int index = 0; index < RankTable.MAX_DEVICES; index++) {
            String server = "10.0." + index / 1000 + ".1";
            devices.add(new Device(server, index % 1000, server, Optional.empty(), index + 1));
        }
        var decode = List.of(new Device("10.1.0.1", 0, "10.1.0.1", Optional.empty(), RankTable.MAX_DEVICES + 1));
        assertThatThrownBy(() -> new RankTable(devices, decode))
                .hasMessage("devices of both lists: expected at most 4096, found 4097");
        List<Device> fewer = devices.subList(0, RankTable.MAX_DEVICES - 1);
        var table = new RankTable(
                fewer, List.of(new Device("10.1.0.1", 0, "10.1.0.1", Optional.empty(), RankTable.MAX_DEVICES)));
        assertThat(parsed(table.toJson())).isEqualTo(table);
    }

    @Test
    void shouldNameTheFileThatItReads(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("ranktable.json");
        assertThatThrownBy(() -> RankTable.read(file)).hasMessage(file + ": expected a rank table file, found nothing");
        Files.write(file, new byte[RankTableReader.MAX_BYTES + 1]);
        assertThatThrownBy(() -> RankTable.read(file)).hasMessageStartingWith(file + ": size: expected at most");
        Files.write(file, new byte[] {'{', (byte) 0xff});
        assertThatThrownBy(() -> RankTable.read(file)).hasMessageContaining("expected UTF-8");
        Files.writeString(file, A2);
        assertThat(RankTable.read(file).toJson()).isEqualTo(A2);
    }
}
