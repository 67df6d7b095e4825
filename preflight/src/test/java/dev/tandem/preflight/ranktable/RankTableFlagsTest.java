package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.FlagException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RankTableFlagsTest {
    private static final String GUIDE =
            "--ips 172.22.0.218 172.22.0.155 --npus-per-node 16 --network-card-name enp23s0f3"
                    + " --prefill-device-cnt 16 --decode-device-cnt 16";

    private static RankTableFlags parsed(String line) {
        return RankTableFlags.parse(List.of(line.split(" +")), false);
    }

    private static void assertRefused(String line, String... sentences) {
        assertThatThrownBy(() -> parsed(line)).isInstanceOf(FlagException.class).hasMessageContainingAll(sentences);
    }

    @Test
    void shouldReadTheGuidesCommand() {
        RankTableFlags flags = parsed(GUIDE);
        assertThat(flags.plan().nodes()).containsExactly("172.22.0.218", "172.22.0.155");
        assertThat(flags.plan().counts()).isEqualTo(new DeviceCounts(16, 16, 16));
        assertThat(flags.here().card()).hasValue("enp23s0f3");
        assertThat(flags.here().deviceIds()).hasSize(16).startsWith(0, 1).endsWith(15);
        assertThat(flags.here().kind()).isEmpty();
        assertThat(flags.rendezvous().port()).isEqualTo(6657);
        assertThat(flags.file().path()).isEqualTo(Path.of("ranktable.json").toAbsolutePath());
        assertThat(flags.file().isForced()).isFalse();
    }

    @Test
    void shouldTakeTheDevicesThatAreNamed() {
        RankTableFlags flags = parsed("--ips 192.0.0.1 192.0.0.2 192.0.0.3 --npus-per-node  2 --network-card-name eth0"
                + " --prefill-device-cnt 2 --decode-device-cnt 4 --local-device-ids 6,7 --device a2");
        assertThat(flags.here().deviceIds()).containsExactly(6, 7);
        assertThat(flags.here().kind()).hasValue(DeviceKind.A2);
    }

    @Test
    void shouldTakeEightDevicesPerNodeAsTheScriptDoes() {
        RankTableFlags flags =
                parsed("--ips 192.0.0.1 --network-card-name eth0 --prefill-device-cnt 4 --decode-device-cnt 4");
        assertThat(flags.plan().counts().perNode()).isEqualTo(8);
    }

    @Test
    void shouldReportAllProblemsTogether() {
        assertRefused(
                "--npus-per-node x --decode-device-cnt 0 --device gpu --deadline 0",
                "--ips is missing",
                "--npus-per-node must be a whole number, such as 4096 or 32k, not x",
                "--prefill-device-cnt is missing",
                "--decode-device-cnt 0",
                "--device must be one of cpu, a2, a3, auto, not gpu",
                "--deadline 0",
                "--network-card-name is missing");
    }

    @Test
    void shouldRefuseDevicesThatDoNotFit() {
        assertRefused(GUIDE + " --local-device-ids 0,1", "has 2 devices, --npus-per-node 16");
        assertRefused(GUIDE + " --local-device-ids 0,x", "'x' is not a number of 0 to 1023");
        String two = GUIDE.replace("16", "2") + " --local-device-ids ";
        assertRefused(two + "1,1", "has a device twice");
        assertRefused(two + "0,1024", "'1024' is not a number of 0 to 1023");
        assertRefused(two + "0,", "'' is not a number");
    }

    @Test
    void shouldRefuseCountsThatDoNotAddUp() {
        assertRefused(GUIDE.replace("--decode-device-cnt 16", "--decode-device-cnt 32"), "= 48 exceeds 2 nodes");
        assertRefused(GUIDE.replace("172.22.0.155", "172.22.0.218"), "172.22.0.218 twice");
    }

    @Test
    void shouldNameTheNearestFlag() {
        assertRefused(
                GUIDE + " --network-cart eth0", "unknown flag --network-cart; the nearest is --network-card-name");
        assertRefused(GUIDE + " --output a b", "--output takes one value, found [a, b]");
    }

    @Test
    void shouldTakeAUserForSshOrNone() {
        assertThat(parsed(GUIDE).remote().user()).isEmpty();
        assertThat(parsed(GUIDE + " --ssh --print").remote().user()).hasValue("");
        assertThat(parsed("--ssh root@ " + GUIDE).remote().user()).hasValue("root@");
        assertRefused(GUIDE + " --ssh=-oProxyCommand=x", "is not a user@");
        assertRefused(GUIDE + " --print", "--print shows what --ssh would start");
    }

    @Test
    void shouldGiveEachNodeArgumentsThatItReadsTheSame() {
        RankTableFlags flags = parsed(GUIDE
                + " --ssh root@ --device cpu --output /tmp/table.json --force --meet-port 7000" + " --deadline 30");
        List<String> arguments = flags.argumentsFor("172.22.0.155", Optional.of("/opt/hccn_tool"));
        assertThat(arguments).startsWith("env", "HCCN_TOOL_PATH=/opt/hccn_tool", "tandem", "ranktable");
        RankTableFlags there = RankTableFlags.parse(new ArrayList<>(arguments.subList(4, arguments.size())), false);
        assertThat(there.plan()).isEqualTo(flags.plan());
        assertThat(there.rendezvous()).isEqualTo(flags.rendezvous());
        assertThat(there.file()).isEqualTo(flags.file());
        assertThat(there.here().address()).hasValue("172.22.0.155");
        assertThat(there.here().kind()).hasValue(DeviceKind.CPU);
        assertThat(there.remote().user()).isEmpty();
    }
}
