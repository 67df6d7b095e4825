package dev.tandem.checkpoint;

import dev.tandem.corpus.Corpus;
import dev.tandem.kernel.DType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** {@code config.json}, and behind a NUL {@code generation_config.json}: read, or refused with file and key. */
class ConfigFuzzTest {
    private static final Path FILE = Path.of("fuzzed.json");

    @Test
    void shouldReadOrRefuseEveryConfiguration() {
        Corpus.replay("config", ConfigFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        int end = 0;
        while (end < input.length && input[end] != 0) {
            end++;
        }
        try {
            var config = new Settings(FILE, JsonText.object(FILE, Arrays.copyOf(input, end)));
            var generation = new Settings(
                    FILE,
                    end == input.length
                            ? Map.of()
                            : JsonText.object(FILE, Arrays.copyOfRange(input, end + 1, input.length)));
            ModelConfig read = HuggingFaceConfig.read(config, generation, DType.BF16, false);
            Corpus.require(read.layers() >= 1 && read.hiddenSize() >= 1, "a model of nothing");
        } catch (CheckpointException refusal) {
            Corpus.require(
                    String.valueOf(refusal.getMessage()).startsWith(FILE.toString()), "refused without the file");
        }
    }
}
