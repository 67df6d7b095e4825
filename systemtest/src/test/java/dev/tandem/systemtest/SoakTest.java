package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.bench.soak.Fault.Kind;
import dev.tandem.bench.soak.Soak;
import dev.tandem.bench.soak.SoakPlan;
import dev.tandem.bench.soak.SoakRun;
import dev.tandem.ops.topology.Topology;
import dev.tandem.systemtest.process.TandemProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The short form of {@link Soak}: real processes that faults are done to while they are asked. */
class SoakTest {
    private static final Path ROOT = TandemProcess.ROOT;
    private static final List<Kind> SHORT = List.of(Kind.KILL, Kind.PAUSE, Kind.RESET); // a hang lasts longer

    @Test
    void shouldAnswerRightOrSayWhyNotWhateverIsDoneToItsProcesses() throws Exception {
        Path folder =
                Files.createTempDirectory(ROOT.resolve("systemtest/target"), "soak-"); // only logs of this run count
        Path file = ROOT.resolve("systemtest/src/test/resources/topologies/soak.yaml");
        Path absolute = folder.resolve("soak.yaml");
        Files.writeString(
                absolute,
                Files.readString(file)
                        .replace("fixtures/golden", ROOT.resolve("fixtures/golden") + "")
                        .replace("127.0.2.1", Loopback.next())
                        .replace("127.0.2.2", Loopback.next())
                        .replace("127.0.2.3", Loopback.next()));
        SoakPlan plan = Soak.plan(Topology.read(absolute), 40, 6, SHORT, 1, Duration.ofSeconds(2), 3);
        var report = new SoakRun(plan, TandemProcess.runtime(), folder, System.out::println).run();
        System.out.print(report.text());
        assertThat(report.problems()).isEmpty();
        assertThat(report.inflicted()).isNotEmpty();
        assertThat(report.equalAnswers()).isPositive();
    }
}
