package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.guide.DeepSeekScripts;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.ScriptProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code tandem check} says of the DeepSeek guide's scripts before anything is started, as its reader would ask it. */
class DeepSeekCheckTest {
    private static final Duration LIMIT = Duration.ofSeconds(120);

    @TempDir
    Path folder;

    @Test
    void shouldFindTheForgottenBackslash() throws IOException {
        var scripts = new DeepSeekScripts(Golden.folder("deepseek-v3.2-w8a8").checkpoint(), folder);
        Path start = folder.resolve("start.sh");
        try (ScriptProcess ranktable = ScriptProcess.start("deepseek-check-ranktable", scripts.rankTable())) {
            assertThat(ranktable.awaitEnd(LIMIT)).as("%s", ranktable.log()).isZero();
        }
        Files.writeString(start, scripts.printedPrefill());
        try (ScriptProcess check = ScriptProcess.start("deepseek-check-printed", "tandem check --script " + start)) {
            assertThat(check.awaitEnd(LIMIT)).as("%s", check.log()).isNotZero();
            assertThat(check.log())
                    .contains("the node would start without its KV connector", "put a backslash at the end of line ");
        }
        Files.writeString(start, scripts.fixedPrefill());
        try (ScriptProcess check = ScriptProcess.start("deepseek-check-fixed", "tandem check --script " + start)) {
            assertThat(check.awaitEnd(LIMIT)).as("%s", check.log()).isZero();
        }
    }
}
