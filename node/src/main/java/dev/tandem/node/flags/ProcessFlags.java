package dev.tandem.node.flags;

import java.nio.file.Path;
import java.util.Optional;

/**
 * Flags that every long-running command has, for whoever starts it.
 *
 * @param readyFile {@code --ready-file}: written in one go when the process is ready
 * @param exitsOnStdinClose {@code --exit-on-stdin-close}: the process ends when its parent does
 * @param trust whom it lets in, as flags say
 */
public record ProcessFlags(Optional<Path> readyFile, boolean exitsOnStdinClose, TrustSettings trust) {
    /** Reads them; the table must have all. */
    public static ProcessFlags of(FlagArguments arguments) {
        return new ProcessFlags(
                arguments.text("ready-file").map(Path::of),
                arguments.isOn("exit-on-stdin-close", false),
                TrustSettings.of(arguments));
    }
}
