package dev.tandem.node.flags;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Command lines of {@code tandem serve}, an argument per line: read, or refused with all problems. */
class ServeFlagsFuzzTest {
    @Test
    void shouldReadOrRefuseEveryCommandLine() {
        Corpus.replay("flags", ServeFlagsFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        List<String> arguments = new String(input, StandardCharsets.UTF_8)
                .replace("\0", "") // no process can be given one
                .lines()
                .toList();
        if (arguments.stream().anyMatch(argument -> argument.startsWith("--c"))) {
            return; // --config would read a file
        }
        try {
            ServeFlags flags = ServeFlags.parse(arguments);
            Corpus.require(!flags.model().names().isEmpty(), "a model without a name");
        } catch (FlagException refusal) {
            Corpus.require(!refusal.problems().isEmpty(), "refused without a problem");
        }
    }
}
