package dev.tandem.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.CheckpointException;
import dev.tandem.checkpoint.Quantization;
import dev.tandem.checkpoint.Quantization.Scheme;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.ScalarKernels;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A golden float checkpoint becomes the golden int8 one, as far as both have the same weights. */
class Int8QuantizerTest {
    private static final Path GOLDEN = Path.of(System.getProperty("tandem.root"), "fixtures", "golden");
    private static final long ROOMY = 1 << 30;

    @TempDir
    Path folder;

    private Path out;
    private final List<QuantizedLayer> reported = new ArrayList<>();

    @BeforeEach
    void name() {
        out = folder.resolve("out");
    }

    private Int8Quantizer.Result quantize(Path in, DType scaleType, long shardBytes) throws IOException {
        var options = new Int8Quantizer.Options(in, out, scaleType, shardBytes);
        return new Int8Quantizer(options, new ScalarKernels(new KernelThreads(1)), reported::add).run();
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    private static void assertSameBytes(String name, Map<String, Tensor> actual, Map<String, Tensor> expected) {
        assertThat(actual).containsKey(name);
        assertThat(actual.get(name).dtype())
                .as(name)
                .isEqualTo(expected.get(name).dtype());
        assertThat(actual.get(name).shape())
                .as(name)
                .isEqualTo(expected.get(name).shape());
        assertThat(actual.get(name).data().mismatch(expected.get(name).data()))
                .as(name)
                .isEqualTo(-1);
    }

    @Test
    void shouldGiveTheWeightsOfTheGoldenExporter() throws IOException {
        quantize(GOLDEN.resolve("qwen3-moe"), DType.BF16, ROOMY);

        try (Checkpoint made = Checkpoint.open(out);
                Checkpoint golden = Checkpoint.open(GOLDEN.resolve("qwen3-moe-w8a8"))) {
            int compared = 0;
            for (String name : made.tensors().keySet()) {
                assertSameBytes(name, made.tensors(), golden.tensors());
                compared++;
            }
            assertThat(compared).isEqualTo(3 * (4 * 4 + 3 * 256) + 4 * 5 + 3);
        }
    }

    @Test
    void shouldLeaveFloatTensorsAsTheyAre() throws IOException {
        Int8Quantizer.Result result = quantize(GOLDEN.resolve("qwen3-moe"), DType.F32, ROOMY);

        try (Checkpoint made = Checkpoint.open(out);
                Checkpoint before = Checkpoint.open(GOLDEN.resolve("qwen3-moe"))) {
            Quantization quantization = made.quantization().orElseThrow();
            assertThat(quantization.modelType()).isEqualTo("W8A8_DYNAMIC");
            assertThat(quantization.counts()).isEqualTo(Map.of(Scheme.W8A8_DYNAMIC, 4 * 4 + 3 * 256, Scheme.FLOAT, 1));
            before.tensors().keySet().stream()
                    .filter(name -> !Quantization.isProjection(name))
                    .forEach(name -> assertSameBytes(name, made.tensors(), before.tensors()));
            assertThat(made.config()).isEqualTo(before.config());
        }
        assertThat(result.weights()).isEqualTo(4 * 4 + 3 * 256);
        assertThat(result.bytesAfter()).isLessThan(result.bytesBefore());
        assertThat(result.copied())
                .containsExactly("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json");
        for (String file : result.copied()) {
            assertThat(out.resolve(file))
                    .hasSameBinaryContentAs(GOLDEN.resolve("qwen3-moe").resolve(file));
        }
    }

    @Test
    void shouldReportTheErrorOfEveryLayer() throws IOException {
        Int8Quantizer.Result result = quantize(GOLDEN.resolve("qwen3"), DType.F32, ROOMY);

        assertThat(reported).extracting(QuantizedLayer::layer).containsExactly(0, 1, 2);
        for (QuantizedLayer layer : reported) {
            assertThat(layer.layers()).isEqualTo(3);
            assertThat(layer.attention().weights()).isEqualTo(128L * (6 + 2 + 2 + 6) * 32);
            assertThat(layer.feedForward().weights()).isEqualTo(3 * 128 * 256);
            for (WeightError error : List.of(layer.attention(), layer.feedForward())) {
                assertThat(error.largest()).isBetween(0.0035, 0.5 / 127 + 1e-6);
                assertThat(error.rms()).isBetween(0.001, 0.02);
            }
        }
        assertThat(result.error().weights())
                .isEqualTo(reported.stream()
                        .mapToLong(layer -> layer.attention().weights()
                                + layer.feedForward().weights())
                        .sum());
    }

    @Test
    void shouldWriteTheSameTensorsIntoSeveralFiles() throws IOException {
        quantize(GOLDEN.resolve("qwen3"), DType.F32, ROOMY);
        assertThat(out.resolve("quant_model_weights.safetensors")).exists();
        try (Checkpoint single = Checkpoint.open(out)) {
            out = folder.resolve("sharded");
            quantize(GOLDEN.resolve("qwen3"), DType.F32, 200_000);
            try (Checkpoint sharded = Checkpoint.open(out)) {
                assertThat(sharded.files()).hasSizeGreaterThan(3);
                assertThat(sharded.tensors().keySet())
                        .isEqualTo(single.tensors().keySet());
                single.tensors().keySet().forEach(name -> assertSameBytes(name, sharded.tensors(), single.tensors()));
            }
        }
    }

    @Test
    void shouldRefuseAFolderThatExists() throws IOException {
        Files.createDirectory(out);
        assertThatThrownBy(() -> quantize(GOLDEN.resolve("qwen3"), DType.F32, ROOMY))
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContaining(out + " exists already");
        assertThat(out).isEmptyDirectory();
    }

    @Test
    void shouldRefuseAPlaceThatDoesNotExist() {
        out = folder.resolve("nowhere/out");
        assertThatThrownBy(() -> quantize(GOLDEN.resolve("qwen3"), DType.F32, ROOMY))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("the folder that is to hold it does not exist");
    }

    @Test
    void shouldRefuseWhatIsNoFloatFolder() {
        assertThatThrownBy(() -> quantize(GOLDEN.resolve("qwen3-moe-w8a8"), DType.F32, ROOMY))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("quantised already, W8A8");
        assertThatThrownBy(() -> quantize(GOLDEN.resolve("gguf/llama-q4_0.gguf"), DType.F32, ROOMY))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("found a GGUF file");
    }

    @Test
    void shouldLeaveNothingBehindWhenAWeightIsNotFinite() throws IOException {
        String projection = "model.layers.2.mlp.down_proj.weight";
        Path damaged = damagedCopyOfQwen3(projection);

        assertThatThrownBy(() -> quantize(damaged, DType.F32, ROOMY))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(projection)
                .hasMessageContaining("row 0");
        assertThat(names()).containsExactly("damaged");
    }

    /** A copy whose tensor begins with an infinity. */
    private Path damagedCopyOfQwen3(String tensor) throws IOException {
        Path damaged = Files.createDirectory(folder.resolve("damaged"));
        try (Stream<Path> files = Files.list(GOLDEN.resolve("qwen3"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, damaged.resolve(file.getFileName()));
            }
        }
        Path file = damaged.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        int at;
        try (Checkpoint sound = Checkpoint.open(damaged)) {
            byte[] beginning = sound.tensors().get(tensor).data().asSlice(0, 64).toArray(ValueLayout.JAVA_BYTE);
            at = Collections.indexOfSubList(asList(bytes), asList(beginning));
        }
        assertThat(at).isPositive();
        bytes[at] = (byte) 0x80;
        bytes[at + 1] = 0x7f;
        Files.write(file, bytes);
        return damaged;
    }

    private static List<Byte> asList(byte[] bytes) {
        var list = new ArrayList<Byte>(bytes.length);
        for (byte value : bytes) {
            list.add(value);
        }
        return list;
    }
}
