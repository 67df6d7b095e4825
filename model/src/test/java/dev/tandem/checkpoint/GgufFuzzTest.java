package dev.tandem.checkpoint;

import dev.tandem.corpus.Corpus;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** GGUF files: header, configuration and tensors; read or refused, and every tensor lies in the file. */
class GgufFuzzTest {
    private static final Path FILE = Path.of("fuzzed.gguf");

    @Test
    void shouldReadOrRefuseEveryFile() {
        Corpus.replay("gguf", GgufFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        var file = new MappedFile(FILE, MemorySegment.ofArray(input).asReadOnly());
        try {
            GgufHeader header = GgufHeader.read(file);
            MemorySegment data = header.data(file);
            var tensors = new TreeMap<String, Tensor>();
            for (TensorSpan span : header.spans()) {
                tensors.put(GgufNames.huggingFace(span.name()).orElse(span.name()), span.in(data));
            }
            ModelConfig config = GgufConfig.read(FILE, header.metadata(), tensors);
            Corpus.require(config.layers() >= 1 && config.vocabularySize() >= 1, "a model of nothing");
        } catch (CheckpointException refusal) {
            Corpus.require(
                    String.valueOf(refusal.getMessage()).startsWith(FILE.toString()), "refused without the file");
        }
    }
}
