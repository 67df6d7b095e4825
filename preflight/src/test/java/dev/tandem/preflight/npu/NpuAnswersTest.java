package dev.tandem.preflight.npu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class NpuAnswersTest {
    @Test
    void shouldReadAPingOfAnA2() {
        PingAnswer answer = PingAnswer.read("""
                device 0 PING 11.12.165.80
                recv seq=0,time=0.114000ms
                recv seq=1,time=0.067000ms
                recv seq=2,time=0.063000ms
                3 packets transmitted, 3 received, 0.00% packet loss
                """).orElseThrow();
        assertThat(answer.isWell()).isTrue();
        assertThat(answer.slowestMs()).contains(0.114);
    }

    @Test
    void shouldReadAPingOfAnA3() {
        PingAnswer answer = PingAnswer.read("""
                device 0 PING 192.168.2.199

                This pkt ping success!
                recv seq 0, time = 12.500us, L1 plane check result = 0x1

                1 packets transmitted, 1 received, 0.00% packets loss
                max time 12.500us
                """).orElseThrow();
        assertThat(answer.isWell()).isTrue();
        assertThat(answer.slowestMs()).contains(0.0125);
    }

    @Test
    void shouldNotTakeLostPacketsForAnAnswer() {
        assertThat(PingAnswer.read("3 packets transmitted, 0 received, 100.00% packet loss")
                        .orElseThrow()
                        .isWell())
                .isFalse();
        assertThat(PingAnswer.read("3 packets transmitted, 2 received, 33.33% packets loss")
                        .orElseThrow()
                        .isWell())
                .isFalse();
        assertThat(PingAnswer.read("Cmd executed successfully!")).isEmpty();
    }

    @Test
    void shouldReadSuperPods() {
        assertThat(SuperPodMembership.read("""
                        SDID                           : 16777216
                        Super Pod Size                 : 384
                        Super Pod ID                   : 0
                        Server Index                   : 4
                        """)).contains(new SuperPodMembership("16777216", "0", "4"));
        assertThat(SuperPodMembership.read("This device does not support querying spod-info."))
                .isEmpty();
        assertThat(SuperPodMembership.read("SDID : 1\nSuper Pod ID : 0")).isEmpty();
        assertThat(SuperPodMembership.arguments(SuperPodMembership.usualChip(5)))
                .containsExactly("info", "-t", "spod-info", "-i", "2", "-c", "1");
    }

    @Test
    void shouldReadTheDriversSettings() {
        HccnConf conf = HccnConf.parse("""
                # written by the tool
                address_0=11.12.165.80
                netmask_0=255.255.255.0
                address_15 = 11.12.165.95
                arp_0=-i eth0 -s 11.12.165.1 00:11
                nonsense
                """);
        assertThat(conf.address(0)).contains("11.12.165.80");
        assertThat(conf.address(15)).contains("11.12.165.95");
        assertThat(conf.address(1)).isEmpty();
        assertThat(conf.values()).hasSize(4);
    }

    @Test
    void shouldFindAnAddressThatTwoNodesHaveAndSwitchesThatDiffer() {
        List<Finding> findings = NpuAgreement.among(
                Map.of("10.0.0.1", Map.of(0, "11.0.0.1", 1, "11.0.0.2"), "10.0.0.2", Map.of(0, "11.0.0.2")),
                Map.of("10.0.0.1", "0", "10.0.0.2", "1"));
        assertThat(findings).extracting(Finding::severity).containsOnly(Severity.ERROR);
        assertThat(findings.getFirst().found())
                .isEqualTo("address 11.0.0.2 is that of 10.0.0.1 device 1 and 10.0.0.2 device 0");
        assertThat(findings.getLast().found()).isEqualTo("the switch differs: 0 on 10.0.0.1; 1 on 10.0.0.2");
    }
}
