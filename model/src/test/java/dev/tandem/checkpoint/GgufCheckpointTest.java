package dev.tandem.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.FeedForward;
import dev.tandem.checkpoint.ModelConfig.GenerationDefaults;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Tokens;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GgufCheckpointTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final GenerationDefaults NO_DEFAULTS = new GenerationDefaults(
            Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

    private static GgufCheckpoint open(String name) {
        return (GgufCheckpoint) Checkpoint.open(ROOT.resolve("fixtures/golden/gguf/" + name + ".gguf"));
    }

    @ParameterizedTest
    @CsvSource({
        "qwen3-bf16, QWEN3, BF16, false",
        "qwen3-q8_0, QWEN3, BF16, false",
        "qwen3-q4_0, QWEN3, BF16, false",
        "llama-q8_0, LLAMA, BF16, true",
        "llama-q4_0, LLAMA, BF16, true",
        "qwen3-moe-q4_0, QWEN3_MOE, BF16, false"
    })
    void shouldOpenEveryFixture(String name, Architecture architecture, DType dtype, boolean permutes) {
        try (GgufCheckpoint checkpoint = open(name)) {
            assertThat(checkpoint.config().architecture()).isEqualTo(architecture);
            assertThat(checkpoint.config().dtype()).isEqualTo(dtype);
            assertThat(checkpoint.permutesRotaryRows()).isEqualTo(permutes);
            assertThat(checkpoint.tensors())
                    .containsKeys(
                            WeightShapes.of(checkpoint.config(), true).keySet().toArray(String[]::new));
        }
    }

    @Test
    void shouldReadLlama() {
        try (GgufCheckpoint checkpoint = open("llama-q8_0")) {
            assertThat(checkpoint.config())
                    .isEqualTo(new ModelConfig(
                            Architecture.LLAMA,
                            3,
                            0,
                            128,
                            1536,
                            512,
                            1e-5f,
                            true,
                            DType.BF16,
                            new GroupedQuery(8, 2, 16, false, new Rope(500_000, Optional.empty())),
                            new FeedForward(320, Optional.empty()),
                            new Tokens(Optional.of(1493), List.of(1498), NO_DEFAULTS)));
            Tensor factors = checkpoint.tensors().get("rope_freqs.weight");
            assertThat(factors.dtype()).isEqualTo(DType.F32);
            assertThat(factors.shape()).containsExactly(8);
            var floats = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
            assertThat(factors.data().get(floats, 0)).isEqualTo(1f);
            assertThat(factors.data().get(floats, 7 * Float.BYTES)).isEqualTo(8f);
        }
    }

    @Test
    void shouldReadQwen3Moe() {
        try (GgufCheckpoint checkpoint = open("qwen3-moe-q4_0")) {
            assertThat(checkpoint.config())
                    .isEqualTo(new ModelConfig(
                            Architecture.QWEN3_MOE,
                            4,
                            0,
                            128,
                            1408,
                            1024,
                            1e-6f,
                            false,
                            DType.BF16,
                            new GroupedQuery(16, 4, 16, true, new Rope(1_000_000, Optional.empty())),
                            new FeedForward(
                                    384, Optional.of(new Experts(64, 8, 32, Routing.softmax(true), DenseParts.NONE))),
                            new Tokens(Optional.of(1391), List.of(1393), NO_DEFAULTS)));
            Tensor gate = checkpoint.tensors().get("model.layers.3.mlp.experts.gate_proj.weight");
            assertThat(gate.shape()).containsExactly(64, 32, 128);
            assertThat(gate.dtype()).isEqualTo(DType.Q4_0);
            assertThat(gate.data().isMapped()).isTrue();
        }
    }

    @Test
    void shouldHoldTheSameWeightsAsTheFolderItWasMadeFrom() {
        try (GgufCheckpoint gguf = open("qwen3-bf16");
                Checkpoint folder = Checkpoint.open(ROOT.resolve("fixtures/golden/qwen3"))) {
            folder.tensors().forEach((name, tensor) -> {
                Tensor other = gguf.tensors().get(name);
                assertThat(other.shape()).as(name).isEqualTo(tensor.shape());
                if (other.dtype() == DType.BF16) {
                    assertThat(other.data().mismatch(tensor.data())).as(name).isNegative();
                }
            });
            assertThat(gguf.config().attention()).isEqualTo(folder.config().attention());
        }
    }

    @Test
    void shouldGiveMetadataAsPlainValues() {
        try (GgufCheckpoint checkpoint = open("llama-q8_0")) {
            var metadata = checkpoint.metadata();
            assertThat(metadata)
                    .containsEntry("general.architecture", "llama")
                    .containsEntry("llama.block_count", 3L)
                    .containsEntry("llama.rope.freq_base", 500_000.0)
                    .containsEntry("tokenizer.ggml.add_bos_token", true);
            assertThat(metadata.get("tokenizer.ggml.tokens"))
                    .asInstanceOf(InstanceOfAssertFactories.LIST)
                    .hasSize(1536)
                    .startsWith("!", "\"");
        }
    }

    @ParameterizedTest
    @CsvSource({"q_proj, 8", "k_proj, 2"})
    void shouldOrderRotaryRowsOfLlamaInNeighbouringPairs(String projection, int heads) {
        String name = "model.layers.1.self_attn." + projection + ".weight";
        try (GgufCheckpoint gguf = open("llama-q8_0");
                Checkpoint folder = Checkpoint.open(ROOT.resolve("fixtures/golden/llama"))) {
            Tensor stored = gguf.tensors().get(name);
            Tensor original = folder.tensors().get(name);
            int headDim = 16;
            for (int head = 0; head < heads; head++) {
                for (int i = 0; i < headDim; i++) {
                    int storedRow = head * headDim + i;
                    int originalRow = head * headDim + i / 2 + (i % 2) * headDim / 2;
                    assertThat(q8(stored, storedRow))
                            .as("row " + storedRow)
                            .containsExactly(bf16(original, originalRow), within(2e-3f));
                }
            }
        }
    }

    private static float[] bf16(Tensor tensor, int row) {
        var shorts = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[tensor.columns()];
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.intBitsToFloat(tensor.data().get(shorts, row * tensor.rowBytes() + 2L * i) << 16);
        }
        return values;
    }

    private static float[] q8(Tensor tensor, int row) {
        var shorts = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[tensor.columns()];
        for (int i = 0; i < values.length; i++) {
            long block = row * tensor.rowBytes() + i / 32 * 34L;
            float scale = Float.float16ToFloat(tensor.data().get(shorts, block));
            values[i] = scale * tensor.data().get(ValueLayout.JAVA_BYTE, block + 2 + i % 32);
        }
        return values;
    }
}
