package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.UpProcess;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code tandem up}: three processes, one verified answer, and none of them left when it goes, however it goes. */
class UpTest {
    private static final Duration GONE = Duration.ofSeconds(30);

    @TempDir
    Path folder;

    private Path topology() throws IOException {
        return Files.writeString(folder.resolve("topology.yaml"), """
                model: %s
                served-model-name: fable
                gateway: {host: %s, port: %d}
                prefill:
                  - {host: %s, port: %d, kv-port: %d}
                decode:
                  - {host: %s, port: %d, kv-port: %d}
                flags: {max-model-len: 512, max-num-seqs: 4}
                """.formatted(
                        TandemProcess.ROOT.resolve("models/tandem-fable"),
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        TandemProcess.KV_PORT,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        TandemProcess.KV_PORT));
    }

    private static List<ProcessHandle> nodes(List<JsonNode> events) {
        return events.stream()
                .filter(event -> event.path("event").asString("").equals("node"))
                .map(event -> ProcessHandle.of(event.path("pid").longValue()).orElseThrow())
                .toList();
    }

    @Test
    void shouldVerifyOneAnswerAndLeaveNothingWhenKilled() throws IOException {
        try (var up = UpProcess.startAsUsersDo(topology())) {
            List<JsonNode> events = up.readUntil("verification");
            JsonNode verification = events.getLast();
            assertThat(verification.path("ok").asBoolean(false))
                    .as(verification.toString())
                    .isTrue();
            assertThat(verification.path("answer").asString("")).contains("Tandem Fable");
            assertThat(verification.path("timeline").asString(""))
                    .contains("handoff")
                    .contains("tokens/s");
            List<ProcessHandle> nodes = nodes(events);
            assertThat(nodes).hasSize(3).allMatch(ProcessHandle::isAlive);
            up.process().destroyForcibly();
            Await.until(GONE, () -> nodes.stream().noneMatch(ProcessHandle::isAlive), () -> "left behind: " + nodes);
        }
    }

    @Test
    void shouldStopEverythingWhenAskedToAndReportADeath() throws IOException {
        try (var up = UpProcess.start(topology())) {
            List<ProcessHandle> nodes = nodes(up.readUntil("running"));
            nodes.getLast().destroyForcibly();
            JsonNode died = up.readUntil("died").getLast();
            assertThat(died.path("message").asString("")).contains("decode-0");
            assertThat(died.path("log").size()).isPositive();
            up.process().destroy();
            Await.until(
                    GONE,
                    () -> !up.process().isAlive() && nodes.stream().noneMatch(ProcessHandle::isAlive),
                    () -> "left behind: " + nodes);
        }
    }

    @Test
    void shouldStartNothingOnAPortThatIsTaken() throws IOException, InterruptedException {
        try (var taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.25.31"))) {
            Path topology = Files.writeString(folder.resolve("taken.yaml"), """
                    model: %s
                    gateway: {host: 127.0.25.31, port: %d}
                    prefill:
                      - {host: 127.0.25.32, port: 8100, kv-port: 30000}
                    decode:
                      - {host: 127.0.25.33, port: 8200, kv-port: 30100}
                    """.formatted(
                            TandemProcess.ROOT.resolve("models/tandem-fable"), taken.getLocalPort()));
            try (var up = UpProcess.start(topology)) {
                JsonNode error = up.readUntil("error").getLast();
                assertThat(error.path("message").asString(""))
                        .contains("port 127.0.25.31:" + taken.getLocalPort(), "the gateway");
                assertThat(up.process().waitFor()).isEqualTo(1);
            }
        }
    }
}
