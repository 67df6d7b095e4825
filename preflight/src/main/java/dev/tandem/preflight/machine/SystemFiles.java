package dev.tandem.preflight.machine;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What Linux reports in files. Elsewhere there are none, and every answer is empty. Stateless; any thread.
 */
public final class SystemFiles {
    private static final int MAX_BYTES = 1 << 20;
    private static final String UNLIMITED = "max";

    private final Path root;

    /** @param root {@code /}; a folder of stand-ins in tests */
    public SystemFiles(Path root) {
        this.root = root;
    }

    public Path root() {
        return root;
    }

    /** This machine's. */
    public static SystemFiles here() {
        return new SystemFiles(Path.of("/"));
    }

    /** A file's text, cut at 1 MiB; empty when there is no such file or it is not ours to read. */
    Optional<String> text(String path) {
        try (InputStream in = Files.newInputStream(root.resolve(path))) {
            return Optional.of(new String(in.readNBytes(MAX_BYTES), StandardCharsets.UTF_8).strip());
        } catch (IOException e) {
            return Optional.empty(); // the caller reports that it is unknown
        }
    }

    /** A line {@code NAME: value}, its value; of several the first. */
    Optional<String> field(String path, String name) {
        return text(path)
                .flatMap(text -> text.lines()
                        .filter(line -> line.startsWith(name))
                        .map(line -> line.substring(name.length()).strip())
                        .filter(rest -> rest.startsWith(":"))
                        .map(rest -> rest.substring(1).strip())
                        .findFirst());
    }

    /** The first and the last number of a file that holds two; empty where there is no such file. */
    public Optional<int[]> range(String path) {
        return text(path)
                .filter(text -> text.matches("\\d{1,9}\\s+\\d{1,9}"))
                .map(text -> text.split("\\s+", -1))
                .map(ends -> new int[] {Integer.parseInt(ends[0]), Integer.parseInt(ends[1])});
    }

    /** A whole number that stands alone in a file or begins a text; {@code max} is the largest. */
    static OptionalLong number(Optional<String> text) {
        if (text.isEmpty()) {
            return OptionalLong.empty();
        }
        String word = text.get().split("\\s+", 2)[0];
        if (word.equals(UNLIMITED) || word.equals("unlimited")) {
            return OptionalLong.of(Long.MAX_VALUE);
        }
        return word.matches("\\d{1,18}") ? OptionalLong.of(Long.parseLong(word)) : OptionalLong.empty();
    }
}
