package dev.tandem.node.flags;

import dev.tandem.corpus.Corpus;
import dev.tandem.node.flags.FlagTable.Habit;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Files of {@code --config}, in YAML or JSON: read, or refused with file and line. */
class ConfigFileFuzzTest {
    private static final FlagTable TABLE = FlagTable.of(Habit.VLLM, FlagList.TEXT);

    @Test
    void shouldReadOrRefuseEveryFile() {
        Corpus.replay("yaml", ConfigFileFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        String source = new String(input, StandardCharsets.UTF_8);
        try {
            YamlNode root = YamlNode.parse(source, "fuzzed");
            Corpus.require(root.toJson() != null, "no JSON");
        } catch (FlagException refusal) {
            refusal.problems().forEach(problem -> Corpus.require(problem.startsWith("fuzzed "), problem));
        }
        ConfigFile.read(source, "fuzzed", new FlagArguments(TABLE));
    }
}
