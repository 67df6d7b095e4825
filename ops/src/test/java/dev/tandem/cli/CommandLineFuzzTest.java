package dev.tandem.cli;

import dev.tandem.corpus.Corpus;
import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.proxy.ProxyFlags;
import dev.tandem.preflight.ranktable.RankTableFlags;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** Command lines, an argument per line behind byte 0, which chooses the verb: read, or refused with all problems. Nothing is run. */
class CommandLineFuzzTest {
    private static final List<CommandLine> VERBS = Stream.of(
                    new UpCommand(),
                    new CheckCommand(),
                    new VerifyCommand(),
                    new InspectCommand(),
                    new QuantizeCommand())
            .map(verb -> new CommandLine(verb.spec()))
            .toList();

    @Test
    void shouldReadOrRefuseEveryCommandLine() {
        Corpus.replay("commandline", CommandLineFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        List<String> arguments = new String(input, 1, input.length - 1, StandardCharsets.UTF_8)
                .lines()
                .toList();
        try {
            switch (input[0] & 7) {
                case 5 -> ProxyFlags.parse(arguments);
                case 6, 7 -> RankTableFlags.parse(arguments, false);
                default ->
                    VerbArguments.read(VERBS.get(input[0] & 7), arguments).refuseProblems();
            }
        } catch (FlagException refusal) {
            Corpus.require(!refusal.problems().isEmpty(), "refused without a problem");
        }
    }
}
