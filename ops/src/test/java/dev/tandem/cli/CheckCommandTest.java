package dev.tandem.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.Loopback;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.check.CheckRequest;
import dev.tandem.ops.check.CheckRequest.Peers;
import dev.tandem.ops.check.CheckRequest.Remote;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckCommandTest {
    private final String prefill = Loopback.next();
    private final String decode = Loopback.next();

    @TempDir
    private Path folder;

    private Path topology(int kvPort) throws IOException {
        Path file = folder.resolve("one.yaml");
        Files.writeString(file, """
                model: %s
                gateway: {host: %s, port: 23838}
                prefill: [{host: %s, port: 23836, kv-port: %d}]
                decode: [{host: %s, port: 23837, kv-port: 23831}]
                flags: {kv-cache-memory-bytes: 64MiB}
                """.formatted(
                        Path.of(System.getProperty("tandem.root"), "models/tandem-fable"),
                        Loopback.next(),
                        prefill,
                        kvPort,
                        decode));
        return file;
    }

    private static int run(String... arguments) {
        return Main.run(List.of(arguments));
    }

    @Test
    void shouldEndWithZeroWhenAllIsWell() {
        assertThat(run("check", "--device", "cpu")).isEqualTo(Exit.WELL);
    }

    @Test
    void shouldEndWithOneWhenAPortIsTakenOrAFileIsWrong() throws IOException {
        assertThat(run("check", "--device", "cpu", folder.resolve("none.yaml").toString()))
                .isEqualTo(Exit.FAILED);
        try (var owner = new ServerSocket(0, 1, InetAddress.getByName(prefill))) {
            assertThat(run("check", topology(23_830).toString(), "--device", "cpu"))
                    .isEqualTo(Exit.WELL);
            Path file = topology(owner.getLocalPort());
            assertThat(run("check", file.toString(), "--device", "cpu", "--json"))
                    .isEqualTo(Exit.FAILED);
        }
    }

    @Test
    void shouldEndWithTwoWhenTheArgumentsAreInvalid() {
        assertThat(run("check", "--peers", "127.0.23.44")).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "--devices", "none")).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "--ssh", "root@")).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "t.yaml", "--", "model")).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "--device", "a9")).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "--peers", "192.0.2.77", "192.0.2.78", "--device", "cpu"))
                .isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "--peers", "127.0.23.44", "127.0.23.45", "--device", "cpu"))
                .isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run(
                        "check",
                        "--ranktable",
                        "/nowhere",
                        "--peers",
                        "127.0.23.44",
                        "127.0.23.45",
                        "--local-ip",
                        "127.0.23.44",
                        "--device",
                        "cpu"))
                .isEqualTo(Exit.WRONG_ARGUMENTS);
    }

    @Test
    void shouldCheckAllNodesOfThisMachineFromOnePlace() throws IOException {
        assertThat(run(
                        "check",
                        "--peers",
                        prefill,
                        decode,
                        "--ssh",
                        "--ports",
                        "23832-23834",
                        "--device",
                        "cpu",
                        "--meet-port",
                        "23835"))
                .isEqualTo(Exit.WELL);
    }

    @Test
    void shouldReadStartScriptsWithoutRunningThem() throws IOException {
        Path good = folder.resolve("good.sh");
        Files.writeString(good, "tandem serve " + folder + " --host 127.0.23.46 --port 8100\n");
        assertThat(run("check", "--script", good.toString())).isEqualTo(Exit.WELL);
        Path bad = folder.resolve("bad.sh");
        Files.writeString(
                bad, "tandem serve " + folder + " --host 127.0.23.46 \\\n--seed 1\n--kv-transfer-config '{}'\n");
        assertThat(run("check", "--script", good.toString(), bad.toString(), "--json"))
                .isEqualTo(Exit.FAILED);
        assertThat(run("check", "--script")).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(run("check", "t.yaml", "--script", good.toString())).isEqualTo(Exit.WRONG_ARGUMENTS);
    }

    @Test
    void shouldCheckWhatANodeWithTheseArgumentsNeeds() {
        String model = Path.of(System.getProperty("tandem.root"), "models/tandem-fable")
                .toString();
        assertThat(run("check", "--device", "cpu", "--", model, "--host", prefill, "--port", "23839"))
                .isEqualTo(Exit.WELL);
        assertThat(run("check", "--device", "cpu", "--", model, "--prot", "23839"))
                .isEqualTo(Exit.FAILED);
    }

    @Test
    void shouldNameTheNearestFlag() {
        assertThatThrownBy(() -> CheckOptions.of(List.of("--peer", "10.0.0.1")))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("unknown flag --peer; the nearest is --peers");
        assertThatThrownBy(() -> CheckOptions.of(List.of("--json", "--json"))).hasMessageContaining("given twice");
        assertThatThrownBy(() -> CheckOptions.of(List.of("a.yaml", "b.yaml")))
                .hasMessageContaining("unexpected argument b.yaml");
        assertThatThrownBy(() -> CheckOptions.of(List.of("--")))
                .hasMessageContaining("arguments of serve behind -- are missing");
    }

    @Test
    void shouldReadListsSwitchesAndTheArgumentsOfServe() {
        CheckOptions options = CheckOptions.of(
                List.of("--peers", "10.0.0.1", "10.0.0.2", "--meet_port", "9", "--json", "--", "model", "--port", "1"));
        Peers peers = options.request().peers().orElseThrow();
        assertThat(peers.addresses()).containsExactly("10.0.0.1", "10.0.0.2");
        assertThat(peers.meetPort()).isEqualTo(9);
        assertThat(peers.remote()).isEmpty();
        assertThat(options.isJson()).isTrue();
        assertThat(options.request().serve()).containsExactly("model", "--port", "1");
    }

    @Test
    void shouldTakeAUserForSshOrNone() {
        CheckRequest request = CheckOptions.of(
                        List.of("t.yaml", "--peers", "10.0.0.1", "10.0.0.2", "--ssh", "root@", "--deadline=30"))
                .request();
        assertThat(request.topology()).contains("t.yaml");
        Remote remote = request.peers().orElseThrow().remote().orElseThrow();
        assertThat(remote.ssh().user()).isEqualTo("root@");
        assertThat(remote.arguments()).containsExactly("--deadline", "30");
        CheckRequest plain =
                CheckOptions.of(List.of("--peers", "--ssh", "t.yaml")).request();
        assertThat(plain.topology()).contains("t.yaml");
        assertThat(plain.peers().orElseThrow().addresses()).isEmpty();
        assertThat(plain.peers().orElseThrow().remote().orElseThrow().ssh().user())
                .isEmpty();
    }
}
