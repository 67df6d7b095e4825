package dev.tandem.preflight.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ToolTest {
    private static final Duration LONG = Duration.ofSeconds(60);

    @TempDir
    private Path folder;

    @Test
    void shouldGiveStatusAndBothOutputs() throws Exception {
        assertThat(Tool.run(List.of("sh", "-c", "echo one; echo two >&2; exit 3"), LONG))
                .isEqualTo(new Tool.Ended(3, "one\ntwo\n"));
    }

    @Test
    void shouldGiveAProgramNoInputToWaitFor() throws Exception {
        assertThat(Tool.run(List.of("sh", "-c", "cat; echo end"), LONG)).isEqualTo(new Tool.Ended(0, "end\n"));
    }

    @Test
    void shouldKillAProgramThatDoesNotEndAndWhatItStarted() throws Exception {
        Path pid = folder.resolve("pid");
        Tool.Outcome outcome =
                Tool.run(List.of("sh", "-c", "sleep 300 & echo $! > " + pid + "; wait"), Duration.ofSeconds(2));
        assertThat(outcome).isInstanceOf(Tool.TimedOut.class);
        assertThat(outcome.sentence()).contains("within 2000 ms");
        long child = Long.parseLong(Files.readString(pid).strip());
        ProcessHandle.of(child).ifPresent(handle -> handle.onExit().join());
        assertThat(ProcessHandle.of(child)).isEmpty();
    }

    @Test
    void shouldKillAProgramThatWritesWithoutEnd() throws Exception {
        assertThat(Tool.run(List.of("sh", "-c", "yes"), LONG)).isInstanceOf(Tool.TooLoud.class);
    }

    @Test
    void shouldSayThatAProgramIsNotThere() throws Exception {
        assertThat(Tool.run(List.of(folder.resolve("nothing").toString()), LONG).sentence())
                .startsWith("cannot be started: ")
                .contains("nothing");
    }
}
