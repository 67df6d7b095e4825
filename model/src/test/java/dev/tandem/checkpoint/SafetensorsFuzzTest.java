package dev.tandem.checkpoint;

import dev.tandem.corpus.Corpus;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * Headers of safetensors files. Byte 0 chooses whether the rest is the file, or the JSON of one, behind which 1 KiB of weights stands: then
 * the length needs no guessing. Every tensor that is taken lies in the file.
 */
class SafetensorsFuzzTest {
    private static final Path FILE = Path.of("fuzzed.safetensors");
    private static final int WEIGHT_BYTES = 1 << 10;

    @Test
    void shouldReadOrRefuseEveryHeader() {
        Corpus.replay("safetensors", SafetensorsFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        byte[] bytes = new byte[(input[0] & 1) == 0 ? input.length - 1 : input.length - 1 + Long.BYTES + WEIGHT_BYTES];
        if (bytes.length == input.length - 1) {
            System.arraycopy(input, 1, bytes, 0, bytes.length);
        } else {
            ByteBuffer.wrap(bytes)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(input.length - 1)
                    .put(input, 1, input.length - 1);
        }
        var file = new MappedFile(FILE, MemorySegment.ofArray(bytes).asReadOnly());
        try {
            SafetensorsHeader header = SafetensorsHeader.read(file);
            MemorySegment data = header.data(file);
            long weights = 0;
            for (TensorSpan span : header.spans()) {
                weights += span.in(data).data().byteSize();
            }
            Corpus.require(weights == data.byteSize(), "bytes that belong to no tensor, or to two");
        } catch (CheckpointException refusal) {
            Corpus.require(
                    String.valueOf(refusal.getMessage()).startsWith(FILE.toString()), "refused without the file");
        }
    }
}
