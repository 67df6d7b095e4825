package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.UpProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The listeners of docs/security.md are those that a deployment with a cluster secret has, no more and no fewer. */
class SecurityPageTest {
    private static final Duration SETTLED = Duration.ofSeconds(60); // the warm-up's own listeners go within that
    private static final int HANDSHAKE_PORT = 18_601;
    private static final int TRANSFER_PORT = 18_602;
    private static final int METRICS_PORT = 18_603;
    private static final String LISTEN = "0A"; // TCP_LISTEN in /proc/net/tcp

    @TempDir
    Path folder;

    /** One row of the page. */
    private record Row(String listener, String process, String setting) {}

    @Test
    void shouldNameEveryListenerOfARunningDeployment() throws IOException {
        try (var up = UpProcess.start(topology())) {
            List<JsonNode> events = up.readUntil("verification");
            assertThat(events.getLast().path("ok").asBoolean(false))
                    .as(events.getLast().toString())
                    .isTrue();
            List<Row> rows = rows();
            for (JsonNode event : events) {
                if (event.path("event").asString("").equals("node")) {
                    String name = event.path("name").asString("");
                    Set<Integer> named = named(rows, PROCESSES.get(name));
                    long pid = event.path("pid").longValue();
                    Await.until(
                            SETTLED,
                            () -> listening(pid).equals(named),
                            () -> name + " listens at " + listening(pid) + ", the page names " + named);
                }
            }
        }
    }

    /** Which rows are about which process of a layerwise deployment. */
    private static final Map<String, List<String>> PROCESSES = Map.of(
            "gateway", List.of("gateway"),
            "prefill-0", List.of("node", "node with handoff", "either, if asked"),
            "decode-0", List.of("node", "node with handoff", "node that lends", "either, if asked"));

    private static final Map<String, Integer> PORTS = Map.of(
            "--port",
            TandemProcess.HTTP_PORT,
            "kv_port",
            TandemProcess.KV_PORT,
            "--metrics-port",
            METRICS_PORT,
            "--handshake-port",
            HANDSHAKE_PORT,
            "--transfer-port",
            TRANSFER_PORT);

    private static Set<Integer> named(List<Row> rows, List<String> processes) {
        var ports = new TreeSet<Integer>();
        for (Row row : rows) {
            if (processes.contains(row.process())) {
                assertThat(PORTS).as(row.listener()).containsKey(row.setting());
                ports.add(PORTS.get(row.setting()));
            }
        }
        return ports;
    }

    private static List<Row> rows() throws IOException {
        var rows = new ArrayList<Row>();
        boolean isInTable = false;
        for (String line : Files.readAllLines(TandemProcess.ROOT.resolve("docs/security.md"))) {
            isInTable = line.startsWith("| listener |") || (isInTable && line.startsWith("|"));
            String[] cells = line.split("\\|", -1);
            if (isInTable && !line.startsWith("| listener |") && !line.startsWith("| ---")) {
                rows.add(new Row(
                        cells[1].strip(), cells[2].strip(), cells[4].strip().replace("`", "")));
            }
        }
        assertThat(rows).hasSizeGreaterThan(5);
        return rows;
    }

    private Path topology() throws IOException {
        Path token = Files.writeString(folder.resolve("token"), "a secret of this test\n");
        return Files.writeString(folder.resolve("topology.yaml"), """
                model: %s
                served-model-name: fable
                connector: layerwise
                cluster-token-file: %s
                gateway: {host: %s, port: %d}
                prefill:
                  - {host: %s, port: %d, kv-port: %d}
                decode:
                  - {host: %s, port: %d, kv-port: %d}
                flags: {max-model-len: 512, max-num-seqs: 4, metrics-port: %d, handshake-port: %d, transfer-port: %d}
                """.formatted(
                        TandemProcess.ROOT.resolve("models/tandem-fable"),
                        token,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        TandemProcess.KV_PORT,
                        Loopback.next(),
                        TandemProcess.HTTP_PORT,
                        TandemProcess.KV_PORT,
                        METRICS_PORT,
                        HANDSHAKE_PORT,
                        TRANSFER_PORT));
    }

    /** The ports that a process listens at, as {@code ss -ltnp} shows them, from the same source. */
    private static Set<Integer> listening(long pid) {
        Map<String, Integer> ports = new LinkedHashMap<>(); // by inode of the socket
        for (String table : List.of("tcp", "tcp6")) {
            try {
                for (String line : Files.readAllLines(Path.of("/proc", "" + pid, "net", table))) {
                    String[] fields = line.strip().split("\\s+", -1);
                    if (fields.length > 9 && fields[3].equals(LISTEN)) {
                        String port = fields[1].substring(fields[1].lastIndexOf(':') + 1);
                        ports.put("socket:[" + fields[9] + "]", Integer.parseInt(port, 16));
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        try (Stream<Path> descriptors = Files.list(Path.of("/proc", "" + pid, "fd"))) {
            return descriptors
                    .map(SecurityPageTest::target)
                    .filter(ports::containsKey)
                    .map(ports::get)
                    .collect(Collectors.toCollection(TreeSet::new));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException closedMeanwhile) {
            return "";
        }
    }
}
