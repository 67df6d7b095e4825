package dev.tandem.preflight.survey;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.preflight.CheckReport;
import dev.tandem.preflight.CheckedNode;
import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.deployment.PlannedDeployment;
import dev.tandem.preflight.deployment.PlannedPort;
import dev.tandem.preflight.host.HostBarrier.Participants;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.machine.SystemFiles;
import dev.tandem.preflight.npu.NpuPlan;
import dev.tandem.preflight.npu.StandIns;
import dev.tandem.preflight.survey.SurveyPlan.Peers;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeSurveyTest {
    private static final int PORT = 23_810;
    private static final Duration LONG = Duration.ofSeconds(60);

    private final List<String> two = List.of(Loopback.next(), Loopback.next());

    @TempDir
    private Path folder;

    private SurveyPlan plan(int index, Optional<NpuPlan> npu, List<PlannedPort> ports) {
        return new SurveyPlan(
                SystemFiles.here(),
                npu,
                new PlannedDeployment(List.of(), ports, Set.copyOf(two)),
                Optional.of(new Peers(new Participants(two, index, PORT), LONG, Map.of())));
    }

    private static List<CheckedNode> run(List<SurveyPlan> plans) throws Exception {
        var calls = new ArrayList<Callable<CheckedNode>>();
        plans.forEach(plan -> calls.add(() -> NodeSurvey.run(plan, unused -> {})));
        var nodes = new ArrayList<CheckedNode>();
        try (ExecutorService threads = Executors.newFixedThreadPool(plans.size())) {
            for (Future<CheckedNode> future : threads.invokeAll(calls)) {
                nodes.add(future.get());
            }
        }
        return nodes;
    }

    private static List<Finding> section(CheckedNode node, String title) {
        return node.sections().stream()
                .filter(section -> section.title().equals(title))
                .map(Section::findings)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void shouldCheckTwoNodesAndTheWayBetweenThem() throws Exception {
        List<PlannedPort> ports = List.of(
                new PlannedPort(two.get(0), 23_811, "one"),
                new PlannedPort(two.get(1), 23_811, "two"),
                new PlannedPort(two.get(1), 23_812, "two too"));
        List<CheckedNode> nodes = run(List.of(plan(1, Optional.empty(), ports), plan(0, Optional.empty(), ports)));
        assertThat(new CheckReport(nodes).isWell()).isTrue();
        assertThat(nodes).extracting(CheckedNode::name).containsExactly(two.get(1), two.get(0));
        assertThat(section(nodes.get(0), "deployment"))
                .extracting(Finding::found)
                .containsExactly("free: 23811-23812");
        assertThat(section(nodes.get(1), "network"))
                .extracting(Finding::subject)
                .containsExactly(
                        "MTU of all nodes",
                        "version of all nodes",
                        "kernels of all nodes",
                        "ports of " + two.get(1),
                        "round trip to " + two.get(1),
                        "clock of " + two.get(1),
                        "reading from " + two.get(1));
    }

    @Test
    void shouldPingTheDevicesOfTheOtherNode() throws Exception {
        NpuPlan first = new StandIns(Files.createDirectory(folder.resolve("first")), 0).plan(2);
        NpuPlan second = new StandIns(Files.createDirectory(folder.resolve("second")), 1)
                .with("1-ping", "echo '3 packets transmitted, 0 received, 100.00% packet loss'; exit 1")
                .plan(2);
        List<CheckedNode> nodes =
                run(List.of(plan(0, Optional.of(first), List.of()), plan(1, Optional.of(second), List.of())));
        assertThat(section(nodes.get(0), "network"))
                .filteredOn(finding -> finding.subject().startsWith("ping"))
                .hasSize(2)
                .allSatisfy(finding -> assertThat(finding.found()).startsWith("all 2 devices answer"));
        assertThat(section(nodes.get(1), "network"))
                .filteredOn(Finding::isError)
                .singleElement()
                .satisfies(finding -> {
                    assertThat(finding.subject()).isEqualTo("ping device   1 -> " + two.get(0));
                    assertThat(finding.found()).startsWith("2 of 2 devices do not answer: 11.12.165.80: 0 of 3");
                });
        assertThat(nodes.get(0).sections().getFirst().table()).hasSize(3);
    }

    @Test
    void shouldSayWhoDidNotComeAndWhatItSawAlone() throws Exception {
        SurveyPlan plan = plan(0, Optional.empty(), List.of());
        CheckedNode node = NodeSurvey.run(
                new SurveyPlan(
                        plan.files(),
                        plan.npu(),
                        plan.deployment(),
                        Optional.of(new Peers(new Participants(two, 0, PORT), Duration.ofSeconds(1), Map.of()))),
                unused -> {});
        assertThat(section(node, "network")).singleElement().satisfies(finding -> {
            assertThat(finding.isError()).isTrue();
            assertThat(finding.found()).contains("in time: " + two.get(1));
        });
        assertThat(section(node, "machine")).isNotEmpty();
    }

    @Test
    void shouldSayThatAPortOfTheDeploymentIsTaken() throws Exception {
        try (var owner = new ServerSocket(0, 1, InetAddress.getByName(two.getFirst()))) {
            var ports = List.of(new PlannedPort(two.getFirst(), owner.getLocalPort(), "prefill-0 HTTP"));
            CheckedNode node = NodeSurvey.run(
                    new SurveyPlan(
                            SystemFiles.here(),
                            Optional.empty(),
                            new PlannedDeployment(List.of(), ports, Set.of(two.getFirst())),
                            Optional.empty()),
                    unused -> {});
            assertThat(section(node, "deployment"))
                    .filteredOn(Finding::isError)
                    .singleElement()
                    .satisfies(finding -> {
                        assertThat(finding.subject()).isEqualTo("port " + two.getFirst() + ":" + owner.getLocalPort());
                        assertThat(finding.found()).endsWith("it is wanted for prefill-0 HTTP");
                    });
        }
    }

    private RemoteSurvey remote(String script) throws IOException {
        Path ssh = folder.resolve("ssh");
        Files.writeString(ssh, "#!/bin/sh\n" + script);
        Files.setPosixFilePermissions(ssh, PosixFilePermissions.fromString("rwx------"));
        return new RemoteSurvey(new Ssh(ssh.toString(), "root@"), List.of("/opt/tandem dir/tandem"), LONG);
    }

    @Test
    void shouldRunTheCheckOfAnotherMachineThroughSsh() throws Exception {
        var there = new CheckedNode(
                "10.0.0.2", List.of(new Section("machine", List.of(Finding.of(Finding.Severity.WELL, "a", "b")))));
        Path answer = folder.resolve("answer");
        Files.write(answer, new CheckReport(List.of(there)).json(true));
        RemoteSurvey remote = remote("echo \"$@\" > " + folder.resolve("words") + "\ncat " + answer + "\nexit 1\n");
        assertThat(remote.run("10.0.0.2", List.of("check", "--ports", "1;2"))).containsExactly(there);
        assertThat(Files.readString(folder.resolve("words")).strip())
                .isEqualTo(
                        "-o BatchMode=yes -o ConnectTimeout=10 root@10.0.0.2 '/opt/tandem dir/tandem' check --ports '1;2'");
    }

    @Test
    void shouldSayThatAnotherMachineCannotBeReached() throws Exception {
        RemoteSurvey remote = remote("echo 'Permission denied (publickey).' >&2; exit 255\n");
        assertThat(remote.run("10.0.0.2", List.of("check")).getFirst().findings())
                .singleElement()
                .satisfies(finding -> {
                    assertThat(finding.isError()).isTrue();
                    assertThat(finding.found()).contains("status 255", "Permission denied");
                    assertThat(finding.fix()).contains("--remote-tandem");
                });
    }
}
