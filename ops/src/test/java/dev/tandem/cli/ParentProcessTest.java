package dev.tandem.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.ProcessFlags;
import dev.tandem.node.flags.TrustSettings;
import dev.tandem.trust.AddressList;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ParentProcessTest {
    private static ParentProcess told(Path readyFile) {
        var trust = new TrustSettings(Optional.empty(), Optional.empty(), AddressList.empty());
        return new ParentProcess(new ProcessFlags(Optional.of(readyFile), false, trust));
    }

    @Test
    void shouldTellThatItIsReadyInOneGo(@TempDir Path folder) throws IOException {
        told(folder.resolve("ready")).tellReady(Map.of("port", 8000));

        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(folder.resolve("ready"));
        }
        assertThat(folder.resolve("ready")).hasContent("{\"port\":8000}");
    }

    @Test
    void shouldNameTheReadyFileThatFindsNoRoom(@TempDir Path folder) throws IOException {
        Path ready = folder.resolve("ready");
        Files.createSymbolicLink(folder.resolve("ready.part"), Path.of("/dev/full"));

        assertThatThrownBy(() -> told(ready).tellReady(Map.of("port", 8000)))
                .isInstanceOf(IOException.class)
                .hasMessage("--ready-file " + ready + " cannot be written: No space left on device");
        assertThat(folder).isEmptyDirectory();
    }
}
