package dev.tandem.cli;

import dev.tandem.api.openai.PlainJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Two flags that every long-running verb has, for whoever starts it.
 *
 * @param words the other words of the command line
 * @param readyFile {@code --ready-file PATH}: written in one go when the process is ready
 * @param exitsOnStdinClose {@code --exit-on-stdin-close}: the process ends when its parent does
 */
record ProcessOptions(List<String> words, Optional<Path> readyFile, boolean exitsOnStdinClose) {
    static ProcessOptions of(List<String> all) {
        var words = new ArrayList<String>();
        Optional<Path> readyFile = Optional.empty();
        boolean exits = false;
        for (int i = 0; i < all.size(); i++) {
            if (all.get(i).equals("--ready-file") && i + 1 < all.size()) {
                readyFile = Optional.of(Path.of(all.get(++i)));
            } else if (all.get(i).equals("--exit-on-stdin-close")) {
                exits = true;
            } else {
                words.add(all.get(i));
            }
        }
        return new ProcessOptions(List.copyOf(words), readyFile, exits);
    }

    /** Watches standard input from now on, when asked to: its end means that the parent is gone, however it went. */
    void watchParent() {
        if (!exitsOnStdinClose) {
            return;
        }
        Thread.ofPlatform().daemon().name("parent-watch").start(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException e) {
                // A broken pipe says the same as its end.
                Exit.now(0);
            }
            Exit.now(0);
        });
    }

    /** Says that the process is ready: a rename makes the whole content appear at once. */
    void ready(Map<String, Object> report) throws IOException {
        if (readyFile.isEmpty()) {
            return;
        }
        Path file = readyFile.get().toAbsolutePath();
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.writeString(part, PlainJson.tree(report).toString(), StandardCharsets.UTF_8);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
