package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.bench.soak.Soak;
import dev.tandem.bench.soak.SoakPlan;
import dev.tandem.bench.soak.SoakRun;
import dev.tandem.systemtest.process.TandemProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The short form of {@link Soak}: real processes, killed at random while they are asked. */
class SoakTest {
    private static final Path ROOT = TandemProcess.ROOT;

    @Test
    void shouldAnswerRightOrSayWhyNotWhileProcessesAreKilled() throws Exception {
        Path folder = Files.createDirectories(ROOT.resolve("systemtest/target/soak"));
        Path file = ROOT.resolve("systemtest/src/test/resources/topologies/soak.yaml");
        Path absolute = folder.resolve("soak.yaml");
        Files.writeString(
                absolute,
                Files.readString(file)
                        .replace("fixtures/golden", ROOT.resolve("fixtures/golden") + "")
                        .replace("127.0.2.1", Loopback.next())
                        .replace("127.0.2.2", Loopback.next())
                        .replace("127.0.2.3", Loopback.next()));
        SoakPlan plan = Soak.plan(absolute, 20, Duration.ofMillis(500), 3);
        var report = new SoakRun(plan, TandemProcess.runtime(), folder, System.out::println).run();
        System.out.print(report.text());
        assertThat(report.faults()).isEmpty();
        assertThat(report.kills()).isNotEmpty();
        assertThat(report.equalAnswers()).isPositive();
    }
}
