package dev.tandem.preflight.npu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.npu.NpuPlan.Generation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpuCheckTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @TempDir
    private Path folder;

    private static List<Finding> errors(List<Finding> findings) {
        return findings.stream().filter(Finding::isError).toList();
    }

    @Test
    void shouldFindEverythingWellOnAGoodA2() throws Exception {
        NpuReport report = NpuCheck.run(new StandIns(folder, 0).plan(3));
        assertThat(errors(report.findings())).isEmpty();
        assertThat(report.table())
                .containsExactly(
                        List.of(
                                "device",
                                "switch port",
                                "link",
                                "health",
                                "detects",
                                "gateway",
                                "tls",
                                "address",
                                "hccn.conf"),
                        List.of(
                                "0",
                                "400GE1/1/0:1",
                                "UP",
                                "Success",
                                "11.12.165.1",
                                "11.12.165.1",
                                "0",
                                "11.12.165.80",
                                "11.12.165.80"),
                        List.of(
                                "1",
                                "400GE1/1/1:1",
                                "UP",
                                "Success",
                                "11.12.165.1",
                                "11.12.165.1",
                                "0",
                                "11.12.165.81",
                                "-"),
                        List.of(
                                "2",
                                "400GE1/1/2:1",
                                "UP",
                                "Success",
                                "11.12.165.1",
                                "11.12.165.1",
                                "0",
                                "11.12.165.82",
                                "-"));
        assertThat(report.addresses()).isEqualTo(Map.of(0, "11.12.165.80", 1, "11.12.165.81", 2, "11.12.165.82"));
        assertThat(report.tls()).contains("0");
    }

    @Test
    void shouldAskAnA3ForItsVirtualAddressesAndSuperPod() throws Exception {
        StandIns standIns = new StandIns(folder, 1).onA3();
        assertThat(NpuCheck.generation(standIns.install(), LONG)).isEqualTo(Generation.A3);
        NpuReport report = NpuCheck.run(standIns.plan(3));
        assertThat(errors(report.findings())).isEmpty();
        assertThat(report.addresses()).isEqualTo(Map.of(0, "192.168.1.1", 1, "192.168.1.2", 2, "192.168.1.3"));
        assertThat(report.table().getLast())
                .as("npu-smi counts its cards otherwise")
                .endsWith("SDID 108, pod 0, server 1");
    }

    @Test
    void shouldTakeAMachineWithoutSuperPodForAnA2() throws Exception {
        assertThat(NpuCheck.generation(new StandIns(folder, 0).install(), LONG)).isEqualTo(Generation.A2);
    }

    @Test
    void shouldSayWhatIsWrongWithABrokenDeviceAndWhatToDo() throws Exception {
        NpuReport report = NpuCheck.run(new StandIns(folder, 0)
                .with("1-link", "echo 'link status: DOWN'; exit 0")
                .with("1-net_health", "echo 'net health status: Fault'; exit 0")
                .with("1-lldp", "exit 1")
                .with("1-tls", "echo 'dev_id:1, tls switch[1](0:disable, 1:enable)'; exit 0")
                .plan(2));
        assertThat(errors(report.findings()))
                .extracting(Finding::subject)
                .containsExactly("device 1 switch port", "device 1 link", "device 1 health", "devices tls");
        assertThat(errors(report.findings()))
                .allSatisfy(finding -> assertThat(finding.fix()).isNotEmpty());
        assertThat(report.table().getLast()).contains("!! -", "!! DOWN", "!! Fault");
    }

    @Test
    void shouldLoseOnlyTheRowsOfADeviceThatDoesNotAnswer() throws Exception {
        NpuPlan plan = new StandIns(folder, 0).with("0-*", "sleep 300").plan(2);
        NpuReport report = NpuCheck.run(
                new NpuPlan(plan.tools(), Generation.A2, 2, new NpuPlan.Bounds(Duration.ofSeconds(5), 14)));
        assertThat(errors(report.findings()))
                .hasSize(7)
                .allSatisfy(finding -> assertThat(finding.subject() + finding.found())
                        .startsWith("device 0")
                        .contains("did not end within 5000 ms"));
    }

    @Test
    void shouldTryAgainWhileTheToolIsBusy() throws Exception {
        Path marks = Files.createDirectory(folder.resolve("marks"));
        NpuReport report = NpuCheck.run(new StandIns(folder, 0)
                .with(
                        "*",
                        "if mkdir " + marks
                                + "/$d$option 2>/dev/null; then echo 'hccn_tool is busy, please try again.';"
                                + " exit 1; fi")
                .plan(1));
        assertThat(errors(report.findings())).isEmpty();
    }

    @Test
    void shouldSayThatTheToolIsNotThere() throws Exception {
        String absent = folder.resolve("hccn_tool").toString();
        assertThat(NpuCheck.hasTool(absent, LONG)).isFalse();
        var tools = new NpuPlan.Tools(absent, "npu-smi-that-is-not-there", folder.resolve("hccn.conf"));
        NpuReport report = NpuCheck.run(new NpuPlan(tools, Generation.A3, 1, NpuPlan.Bounds.DEFAULT));
        assertThat(errors(report.findings()))
                .hasSize(9)
                .anySatisfy(finding -> assertThat(finding.found()).startsWith("cannot be started: "))
                .anySatisfy(finding -> assertThat(finding.fix()).contains("mount it"));
    }

    @Test
    void shouldNoteAnAddressThatARestartWouldChange() throws Exception {
        NpuReport report = NpuCheck.run(new StandIns(folder, 0)
                .with("0-ip", "echo ipaddr:11.12.165.99; exit 0")
                .plan(1));
        assertThat(report.findings())
                .filteredOn(finding -> finding.severity() == Severity.WARNING)
                .singleElement()
                .satisfies(finding -> assertThat(finding.fix()).contains("11.12.165.99 now and gets 11.12.165.80"));
    }

    @Test
    void shouldPingEveryDeviceOfEveryPeerFromEveryDevice() throws Exception {
        Path log = folder.resolve("pings");
        NpuPlan plan = new StandIns(folder, 0)
                .with("*-ping", "echo \"$d $to\" >> " + log)
                .with(
                        "1-ping",
                        "echo \"$d $to\" >> " + log
                                + "; [ $to = 11.12.167.80 ] && echo '3 packets transmitted, 0 received, 100.00% packet loss' && exit 1")
                .plan(2);
        List<Finding> findings = NpuCheck.ping(
                plan,
                Map.of(
                        "10.0.0.2",
                        Map.of(0, "11.12.166.80", 1, "11.12.166.81"),
                        "10.0.0.3",
                        Map.of(0, "11.12.167.80")));
        assertThat(Files.readAllLines(log)).hasSize(6);
        assertThat(findings).hasSize(4);
        assertThat(errors(findings)).singleElement().satisfies(finding -> {
            assertThat(finding.subject()).isEqualTo("ping device   1 -> 10.0.0.3");
            assertThat(finding.found()).contains("1 of 1", "11.12.167.80: 0 of 3 packets came back");
        });
        assertThat(findings.getFirst().found()).isEqualTo("all 2 devices answer, slowest answer after 0.114 ms");
    }

    @Test
    void shouldUseTheSuperPodsPingOnAnA3() throws Exception {
        NpuPlan plan = new StandIns(folder, 0).onA3().plan(1);
        assertThat(NpuCheck.ping(plan, Map.of("10.0.0.2", Map.of(0, "192.168.1.1"))))
                .singleElement()
                .satisfies(finding ->
                        assertThat(finding.found()).isEqualTo("all 1 devices answer, slowest answer after 0.013 ms"));
    }

    @Test
    void shouldFindToolsThatAVariableNamesOrThePathHas() throws Exception {
        new StandIns(folder, 0).install();
        assertThat(NpuTools.find(Map.of("PATH", "/nowhere:" + folder)).hccnTool())
                .isEqualTo(folder.resolve("hccn_tool").toString());
        assertThat(NpuTools.find(Map.of("PATH", "", "HCCN_TOOL_PATH", "/opt/hccn_tool"))
                        .hccnTool())
                .isEqualTo("/opt/hccn_tool");
    }

    @Test
    void shouldCountDeviceFiles() throws Exception {
        for (String name : List.of("davinci0", "davinci1", "davinci_manager", "davinci10")) {
            Files.createFile(folder.resolve(name));
        }
        assertThat(NpuCheck.countDevices(folder)).contains(3);
        assertThat(NpuCheck.countDevices(folder.resolve("nothing"))).isEmpty();
    }
}
