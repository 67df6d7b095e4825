package dev.tandem.preflight.ranktable;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Tables in the documented form, written by hand, and other things that tests of rank tables need. */
final class Tables {
    private static final Path FOLDER =
            Path.of(System.getProperty("tandem.root"), "engine/src/test/resources/ranktable");

    private Tables() {}

    static String text(String name) {
        try {
            return Files.readString(FOLDER.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** An executable shell script that stands in for a program. */
    static Path script(Path folder, String name, String body) {
        try {
            Path file = Files.writeString(folder.resolve(name), "#!/bin/sh\n" + body);
            if (!file.toFile().setExecutable(true)) {
                throw new IllegalStateException(file + " cannot be made executable");
            }
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
