package dev.tandem.cli;

import dev.tandem.api.openai.PlainJson;
import dev.tandem.node.flags.ProcessFlags;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Map;

/** Whoever started this process, and wants to know when it is ready, and that it does not outlive its parent. */
final class ParentProcess {
    private final ProcessFlags flags;

    ParentProcess(ProcessFlags flags) {
        this.flags = flags;
    }

    /** Watches standard input as {@link #watch(Duration)} does, with the usual time for an end. */
    void watch() {
        watch(Exit.END_LIMIT);
    }

    /**
     * Watches standard input from now on, when asked to: its end means that the parent is gone, however it went.
     *
     * @param endLimit how long the orderly end of this process may take
     */
    void watch(Duration endLimit) {
        if (!flags.exitsOnStdinClose()) {
            return;
        }
        Thread.ofPlatform().daemon().name("parent-watch").start(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException e) {
                // A broken pipe says the same as its end.
                Exit.now(0, endLimit);
            }
            Exit.now(0, endLimit);
        });
    }

    /** Tells that this process is ready: a rename makes the whole content appear at once. */
    void tellReady(Map<String, Object> report) throws IOException {
        if (flags.readyFile().isEmpty()) {
            return;
        }
        Path file = flags.readyFile().get().toAbsolutePath();
        Path part = file.resolveSibling(file.getFileName() + ".part");
        try {
            Files.writeString(part, PlainJson.tree(report).toString(), StandardCharsets.UTF_8);
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) { // of a full disk it names no file
            Files.deleteIfExists(part);
            throw new IOException("--ready-file " + file + " cannot be written: " + e.getMessage(), e);
        }
    }
}
