package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.TandemProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code tandem up}: three processes, one verified answer, and none of them left when it goes, however it goes. */
class UpTest {
    private static final Duration GONE = Duration.ofSeconds(30);

    @TempDir
    Path folder;

    private Process up(String... further) throws IOException {
        Path topology = folder.resolve("topology.yaml");
        Files.writeString(topology, """
                model: models/tandem-fable
                served-model-name: fable
                gateway: {host: %s, port: %d}
                prefill:
                  - {host: %s, port: %d, kv-port: %d}
                decode:
                  - {host: %s, port: %d, kv-port: %d}
                flags: {max-model-len: 512, max-num-seqs: 4}
                """.formatted(
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        TandemProcess.KV_PORT,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        TandemProcess.KV_PORT));
        var arguments = new ArrayList<>(List.of("up", topology.toString(), "--json", "--exit-on-stdin-close"));
        arguments.addAll(List.of(further));
        return start(arguments);
    }

    private static Process start(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(TandemProcess.command(arguments));
        command.add(1, "-Dtandem.home=" + TandemProcess.ROOT);
        var builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().keySet().removeAll(List.of("TANDEM_WARM_UP", "OMP_NUM_THREADS")); // as users run it
        return builder.start();
    }

    private static List<JsonNode> readUntil(Process up, String event) throws IOException {
        var events = new ArrayList<JsonNode>();
        var lines = new BufferedReader(new InputStreamReader(up.getInputStream(), StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            events.add(JsonMapper.shared().readTree(line));
            if (events.getLast().path("event").asString("").equals(event)) {
                return events;
            }
        }
        throw new AssertionError("no event " + event + " in " + events);
    }

    private static List<ProcessHandle> nodes(List<JsonNode> events) {
        return events.stream()
                .filter(event -> event.path("event").asString("").equals("node"))
                .map(event -> ProcessHandle.of(event.path("pid").longValue()).orElseThrow())
                .toList();
    }

    @Test
    void shouldVerifyOneAnswerAndLeaveNothingWhenKilled() throws IOException {
        Process up = up();
        List<JsonNode> events = readUntil(up, "verification");
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
        up.destroyForcibly();
        Await.until(GONE, () -> nodes.stream().noneMatch(ProcessHandle::isAlive), () -> "left behind: " + nodes);
    }

    @Test
    void shouldStopEverythingWhenAskedToAndReportADeath() throws IOException, InterruptedException {
        Process up = up();
        List<ProcessHandle> nodes = nodes(readUntil(up, "running"));
        nodes.getLast().destroyForcibly();
        JsonNode died = readUntil(up, "died").getLast();
        assertThat(died.path("message").asString("")).contains("decode-0");
        assertThat(died.path("log").size()).isPositive();
        up.destroy();
        Await.until(
                GONE,
                () -> !up.isAlive() && nodes.stream().noneMatch(ProcessHandle::isAlive),
                () -> "left behind: " + nodes);
    }

    @Test
    void shouldStartNothingOnAPortThatIsTaken() throws IOException, InterruptedException {
        try (var taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.25.31"))) {
            Path topology = Files.writeString(folder.resolve("taken.yaml"), """
                    model: models/tandem-fable
                    gateway: {host: 127.0.25.31, port: %d}
                    prefill:
                      - {host: 127.0.25.32, port: 8100, kv-port: 30000}
                    decode:
                      - {host: 127.0.25.33, port: 8200, kv-port: 30100}
                    """.formatted(taken.getLocalPort()));
            Process up = start(List.of("up", topology.toString(), "--json"));
            JsonNode error = readUntil(up, "error").getLast();
            assertThat(error.path("message").asString(""))
                    .contains("port 127.0.25.31:" + taken.getLocalPort(), "the gateway");
            assertThat(up.waitFor()).isEqualTo(1);
        }
    }
}
