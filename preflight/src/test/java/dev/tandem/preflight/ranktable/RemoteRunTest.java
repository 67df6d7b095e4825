package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.host.RemoteRun;
import dev.tandem.preflight.host.RemoteRun.NodeCommand;
import dev.tandem.preflight.host.RemoteRun.Ssh;
import dev.tandem.preflight.host.Tool.Ended;
import dev.tandem.preflight.host.Tool.Outcome;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A stand-in for ssh runs the command here, as the remote shell would; one node cannot be reached. */
class RemoteRunTest {
    private static final String SSH = """
            [ "$1 $2 $3 $4" = "-o BatchMode=yes -o ConnectTimeout=10" ] || exit 99
            [ "$5" = root@172.22.0.9 ] && { echo 'connect to host 172.22.0.9 port 22: No route to host'; exit 255; }
            echo "on $5"
            exec sh -c "$6"
            """;

    @TempDir
    private Path folder;

    @Test
    void shouldRunWordsAsTheyAreOnEachNode() throws InterruptedException {
        var ssh = new Ssh(Tables.script(folder, "ssh", SSH).toString(), "root@");
        List<String> words = List.of("printf", "<%s>", "a b", "it's", "$HOME", "");
        List<NodeCommand> commands = List.of(ssh.command("172.22.0.218", words), ssh.command("172.22.0.9", words));
        Map<String, Outcome> outcomes = RemoteRun.run(commands, Duration.ofSeconds(30));
        assertThat(outcomes.get("172.22.0.218")).isEqualTo(new Ended(0, "on root@172.22.0.218\n<a b><it's><$HOME><>"));
        assertThat(outcomes.get("172.22.0.9").isWell()).isFalse();
        assertThat(outcomes.get("172.22.0.9").sentence()).contains("status 255", "No route to host");
    }

    @Test
    void shouldShowCommandsThatCanBePasted() {
        assertThat(new Ssh("ssh", "").command("172.22.0.218", List.of("tandem", "ranktable", "--output", "/a b/c")))
                .hasToString("ssh -o BatchMode=yes -o ConnectTimeout=10 172.22.0.218"
                        + " 'tandem ranktable --output '\\''/a b/c'\\'''");
    }

    @Test
    void shouldTakeNoOptionForAUser() {
        assertThat(List.of("", "root@", "a.b-c@")).allMatch(Ssh::isUser);
        assertThat(List.of("-oProxyCommand=x@", "root", "a b@", "@")).noneMatch(Ssh::isUser);
    }
}
