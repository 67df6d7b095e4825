package dev.tandem.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.verify.Credentials;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which keys the verification at the end of a start shows. */
class UpCommandTest {
    @TempDir
    private Path folder;

    private Credentials credentials(String gatewayFlags, String nodeFlags, String... given) throws IOException {
        Path file = Files.writeString(folder.resolve("t.yaml"), """
                model: m
                gateway: {host: 127.0.0.1, port: 8080, flags: {%s}}
                prefill:
                  - {host: 127.0.0.2, port: 8100, kv-port: 30000}
                decode:
                  - {host: 127.0.0.3, port: 8200, kv-port: 30100, flags: {%s}}
                """.formatted(gatewayFlags, nodeFlags));
        return UpCommand.credentials(
                Topology.read(file),
                Optional.of(given).filter(all -> all.length > 0).map(all -> all[0]));
    }

    @Test
    void shouldSayThatAGatewayThatKnowsHashesOnlyNeedsAKey() {
        assertThatThrownBy(() -> credentials("api-key-file: keys", "api-key: n"))
                .isInstanceOf(FlagException.class)
                .hasMessageContainingAll("api-key-file keys holds hashes", "--api-key or in OPENAI_API_KEY");
    }

    @Test
    void shouldShowTheGatewayTheKeyThatIsGiven() throws IOException {
        Credentials shown = credentials("api-key-file: keys", "api-key: n", "c");
        assertThat(shown.apiKey()).contains("c");
        assertThat(shown.nodeKey()).contains("n");
    }

    @Test
    void shouldShowTheTopologysOwnKeysWhereItHasThem() throws IOException {
        assertThat(credentials("api-key: g", "api-key: n").apiKey()).contains("g");
        assertThat(credentials("", "api-key: n").apiKey()).contains("n");
        assertThat(credentials("", "").apiKey()).isEmpty();
        Path key = Files.writeString(folder.resolve("node-key"), "n\n");
        assertThat(credentials("node-api-key-file: " + key, "").nodeKey()).contains("n");
    }
}
