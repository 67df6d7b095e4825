package dev.tandem.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.FeedForward;
import dev.tandem.checkpoint.ModelConfig.GenerationDefaults;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Tokens;
import dev.tandem.kernel.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SafetensorsCheckpointTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final GenerationDefaults GOLDEN_DEFAULTS = new GenerationDefaults(
            Optional.of(0.6), Optional.of(0.95), Optional.of(20), Optional.empty(), Optional.empty());

    private static ModelConfig configOf(String folder) {
        try (Checkpoint checkpoint = Checkpoint.open(ROOT.resolve(folder))) {
            assertThat(checkpoint.permutesRotaryRows()).isFalse();
            return checkpoint.config();
        }
    }

    @Test
    void shouldReadLlama() {
        assertThat(configOf("fixtures/golden/llama"))
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
                        new GroupedQuery(
                                8, 2, 16, false, new Rope(500_000, Optional.of(new Llama3Scaling(8, 1, 4, 64)))),
                        new FeedForward(320, Optional.empty()),
                        new Tokens(Optional.of(1493), List.of(1498, 1494, 1497), GOLDEN_DEFAULTS)));
    }

    @Test
    void shouldReadQwen3() {
        assertThat(configOf("fixtures/golden/qwen3"))
                .isEqualTo(new ModelConfig(
                        Architecture.QWEN3,
                        3,
                        0,
                        128,
                        1408,
                        40960,
                        1e-6f,
                        false,
                        DType.BF16,
                        new GroupedQuery(6, 2, 32, true, new Rope(1_000_000, Optional.empty())),
                        new FeedForward(256, Optional.empty()),
                        new Tokens(Optional.of(1391), List.of(1393, 1391), GOLDEN_DEFAULTS)));
    }

    @Test
    void shouldReadShardedQwen3Moe() {
        try (Checkpoint checkpoint = Checkpoint.open(ROOT.resolve("fixtures/golden/qwen3-moe"))) {
            assertThat(checkpoint.files()).hasSize(3);
            assertThat(checkpoint.config().attention())
                    .isEqualTo(new GroupedQuery(16, 4, 16, true, new Rope(1_000_000, Optional.empty())));
            assertThat(checkpoint.config().feedForward())
                    .isEqualTo(new FeedForward(
                            384, Optional.of(new Experts(64, 8, 32, Routing.softmax(true), DenseParts.NONE))));
            assertThat(checkpoint.tensors())
                    .hasSize(4 * (9 + 3 * 64) + 3)
                    .containsOnlyKeys(
                            WeightShapes.of(checkpoint.config(), false).keySet());
        }
    }

    @Test
    void shouldReadTheModelThatShips() {
        ModelConfig config = configOf("models/tandem-fable");
        assertThat(config.architecture()).isEqualTo(Architecture.QWEN3_MOE);
        assertThat(config.tiesEmbeddings()).isTrue();
        assertThat(config.tokens())
                .isEqualTo(new Tokens(
                        Optional.empty(),
                        List.of(4095, 4093),
                        new GenerationDefaults(
                                Optional.of(0.7),
                                Optional.of(0.9),
                                Optional.of(40),
                                Optional.empty(),
                                Optional.of(1.0))));
    }

    @Test
    void shouldMapTensorsWithoutCopy() {
        try (Checkpoint checkpoint = Checkpoint.open(ROOT.resolve("fixtures/golden/llama"))) {
            var tensor = checkpoint.tensors().get("model.embed_tokens.weight");
            assertThat(tensor.shape()).containsExactly(1536, 128);
            assertThat(tensor.data().isMapped()).isTrue();
            assertThat(tensor.data().isReadOnly()).isTrue();
        }
    }
}
