package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.ranktable.SuperPod;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stand-ins for hccn_tool and npu-smi print what the real ones print; see {@link AscendOutput} for what is confirmed. */
class AscendToolsTest {
    private static final List<Integer> SIXTEEN = IntStream.range(0, 16).boxed().toList();
    private static final Duration LONG = Duration.ofSeconds(30);

    /** {@code -ip -g} gives 10.20.0.(10 + device), {@code -vnic -g} 192.168.2.(199 + device). */
    private static final String HCCN_TOOL = """
            [ "$1" = -i ] && [ "$4" = -g ] || { echo "wrong words: $*"; exit 1; }
            case $3 in
                -ip) printf 'ipaddr:10.20.0.%d\\nnetmask:255.255.255.0\\n' $((10 + $2)) ;;
                -vnic) printf 'vnic link status: UP\\nvnic ipaddr: 192.168.2.%d\\nvnic netmask: 255.255.255.0\\n' $((199 + $2)) ;;
                *) echo "wrong words: $*"; exit 1 ;;
            esac
            """;

    /** Eight cards of two chips, with a controller on each that is no device. */
    private static final String NPU_SMI_A3 = """
            case "$*" in
                "info -m")
                    printf '\\tNPU ID    Chip ID    Chip Logic ID    Chip Phy-ID    Chip Name\\n'
                    for card in 0 1 2 3 4 5 6 7; do
                        printf '\\t%d   0   %d   %d   Ascend910\\n' $card $((2 * card)) $((2 * card))
                        printf '\\t%d   1   %d   %d   Ascend910\\n' $card $((2 * card + 1)) $((2 * card + 1))
                        printf '\\t%d   2   -   -   Mcu\\n' $card
                    done ;;
                "info -t spod-info -i "*)
                    printf '\\t%-30s : %s\\n' SDID $((67108864 + 65536 * $5 + 2 * $5 + $7)) 'Super Pod Size' 384
                    printf '\\t%-30s : %s\\n' 'Super Pod ID' 0 'Server Index' 4 ;;
                *) echo "wrong words: $*"; exit 1 ;;
            esac
            """;

    private static final String NPU_SMI_A2 = """
            case "$*" in
                "info -m")
                    printf '\\tNPU ID    Chip ID    Chip Logic ID    Chip Name\\n'
                    for card in 0 1 2 3 4 5 6 7; do
                        printf '\\t%d   0   %d   Ascend 910B3\\n\\t%d   1   -   Mcu\\n' $card $card $card
                    done ;;
                *) echo "This device does not support this command."; exit 1 ;;
            esac
            """;

    @TempDir
    private Path folder;

    private AscendTools tools(String hccnTool, String npuSmi, Duration limit) {
        return new AscendTools(
                Tables.script(folder, "hccn_tool", hccnTool).toString(),
                Tables.script(folder, "npu-smi", npuSmi).toString(),
                limit);
    }

    @Test
    void shouldReadTheAddressesOfA2Devices() throws InterruptedException {
        AscendTools tools = tools(HCCN_TOOL, NPU_SMI_A2, LONG);
        assertThat(tools.kind()).isEqualTo(DeviceKind.A2);
        NodeDevices devices = tools.devices(DeviceKind.A2, List.of(6, 7));
        assertThat(devices)
                .isEqualTo(new NodeDevices(
                        DeviceKind.A2,
                        List.of(
                                new LocalDevice(6, "10.20.0.16", Optional.empty()),
                                new LocalDevice(7, "10.20.0.17", Optional.empty()))));
    }

    @Test
    void shouldReadTheAddressesAndPlacesOfA3Devices() throws InterruptedException {
        AscendTools tools = tools(HCCN_TOOL, NPU_SMI_A3, LONG);
        assertThat(tools.kind()).isEqualTo(DeviceKind.A3);
        NodeDevices devices = tools.devices(DeviceKind.A3, SIXTEEN);
        assertThat(devices.devices()).hasSize(16);
        assertThat(devices.devices().getLast())
                .isEqualTo(new LocalDevice(
                        15, "192.168.2.214", Optional.of(new SuperPod("0", "" + (67108864 + 65536 * 7 + 15)))));
    }

    @Test
    void shouldNameEachDeviceThatHasNoAddress() {
        String broken = """
                [ "$2" = 3 ] || [ "$2" = 5 ] && { echo 'Get ipconf failed, because no ip was preset there!'; exit 13; }
                """ + HCCN_TOOL;
        assertThatThrownBy(() -> tools(broken, NPU_SMI_A2, LONG).devices(DeviceKind.A2, SIXTEEN))
                .isInstanceOf(DeviceException.class)
                .hasMessageContainingAll(
                        "device 3: ",
                        "hccn_tool -i 3 -ip -g ended with status 13",
                        "because no ip was preset there!",
                        "device 5: ");
    }

    @Test
    void shouldShowAnAnswerThatItCannotRead() {
        for (String answer : List.of(
                "ipaddr:", "ipaddr:0.0.0.0", "ipaddr:10.1\\nnetmask:x", "ipaddr:10.0.0.1\\nipaddr:10.0.0.2", "")) {
            String strange = "printf '" + answer + "\\n'";
            assertThatThrownBy(() -> tools(strange, NPU_SMI_A2, LONG).devices(DeviceKind.A2, List.of(0)))
                    .as(answer)
                    .isInstanceOf(DeviceException.class)
                    .hasMessageContaining(
                            "-i 0 -ip -g: expected one line with its address, found: " + answer.replace("\\n", "\n"));
        }
    }

    @Test
    void shouldEndAQueryThatTakesTooLong() {
        String slow = "[ \"$2\" = 1 ] && exec sleep 600\n" + HCCN_TOOL;
        assertThatThrownBy(() -> tools(slow, NPU_SMI_A2, Duration.ofMillis(700)).devices(DeviceKind.A2, List.of(1)))
                .isInstanceOf(DeviceException.class)
                .hasMessageContaining("device 1: ")
                .hasMessageContaining("-i 1 -ip -g did not end within");
    }

    @Test
    void shouldAskAgainWhenTheToolIsBusy() throws InterruptedException {
        String busy = "[ -e '" + folder + "/asked' ] || { touch '" + folder
                + "/asked'; echo 'hccn_tool is busy, please try again'; exit 1; }\n" + HCCN_TOOL;
        NodeDevices devices = tools(busy, NPU_SMI_A2, LONG).devices(DeviceKind.A2, List.of(0));
        assertThat(devices.devices().getFirst().deviceIp()).isEqualTo("10.20.0.10");
    }

    @Test
    void shouldSayWhichDevicesAreNotThere() {
        assertThatThrownBy(() -> tools(HCCN_TOOL, NPU_SMI_A3, LONG).devices(DeviceKind.A3, List.of(15, 16, 20)))
                .isInstanceOf(DeviceException.class)
                .hasMessageContaining("devices [16, 20] are not here");
    }

    @Test
    void shouldAskForTheKindWhenItCannotFindOut() {
        var tools =
                new AscendTools("hccn_tool", folder.resolve("no-such-program").toString(), LONG);
        assertThatThrownBy(tools::kind)
                .isInstanceOf(DeviceException.class)
                .hasMessageContainingAll("cannot be started", "--device a2 or a3");
    }

    @Test
    void shouldUseNodeAddressesWhereThereAreNoTools() throws InterruptedException {
        var source = new DeviceSource(Optional.empty(), List.of(0, 1), Optional.empty());
        assertThat(source.devices("127.0.21.1"))
                .isEqualTo(NodeDevices.withoutAccelerators("127.0.21.1", List.of(0, 1)));
        var asked = new DeviceSource(Optional.of(DeviceKind.A2), List.of(0, 1), Optional.empty());
        assertThatThrownBy(() -> asked.devices("127.0.21.1")).hasMessageContaining("HCCN_TOOL_PATH");
    }
}
