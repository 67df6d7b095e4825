package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.parallel.Rank;
import java.util.List;
import org.junit.jupiter.api.Test;

class KvLayoutsTest {
    private static ModelConfig config(String golden) {
        try (Checkpoint checkpoint = Checkpoint.open(TestRank.GOLDEN.resolve(golden))) {
            return checkpoint.config();
        }
    }

    private static KvLayout layout(String golden, Rank rank) {
        return KvLayouts.of(config(golden), rank, 16, DType.BF16);
    }

    @Test
    void shouldListLatentsThenRotaryKeysOfEachLayer() {
        KvLayout layout = layout("deepseek-v3", Rank.SINGLE);
        assertThat(layout.planes().subList(0, 3))
                .containsExactly(
                        new KvPlane("latent.0", DType.BF16, 1, 64, 0, 1),
                        new KvPlane("k_rope.0", DType.BF16, 1, 16, 0, 1),
                        new KvPlane("latent.1", DType.BF16, 1, 64, 0, 1));
        assertThat(layout.planes()).hasSize(4 * 2);
        assertThat(layout.tokenBytes()).isEqualTo(4 * (64 + 16) * 2);
    }

    @Test
    void shouldGiveIndexKeysAPlaneOfTheirOwn() {
        KvLayout layout = layout("deepseek-v3.2", Rank.SINGLE);
        assertThat(layout.planes())
                .extracting(KvPlane::name)
                .containsExactly(
                        "latent.0",
                        "k_rope.0",
                        "index.k.0",
                        "latent.1",
                        "k_rope.1",
                        "index.k.1",
                        "latent.2",
                        "k_rope.2",
                        "index.k.2");
        assertThat(layout.planes().get(2)).isEqualTo(new KvPlane("index.k.0", DType.BF16, 1, 32, 0, 1));
        assertThat(layout.planes()).extracting(KvPlane::layer).containsExactly(0, 0, 0, 1, 1, 1, 2, 2, 2);
    }

    @Test
    void shouldReplicateLatentsOnEveryRank() {
        KvLayout alone = layout("deepseek-v3.2", Rank.SINGLE);
        for (int tpSize : List.of(2, 16)) {
            assertThat(layout("deepseek-v3.2", new Rank(tpSize - 1, tpSize, 0, 1)))
                    .isEqualTo(alone);
        }
    }

    @Test
    void shouldNameTheLayerOfKeysAndValues() {
        assertThat(layout("qwen3", Rank.SINGLE).planes())
                .extracting(KvPlane::layer)
                .containsExactly(0, 0, 1, 1, 2, 2);
    }

    @Test
    void shouldSayWhichGroupSizesFitLatentAttention() {
        ModelConfig config = config("deepseek-v3");
        assertThat(ModelLoader.partition(config, true).allowedSizes()).containsExactly(1, 2, 4, 8, 16);
        assertThatThrownBy(() -> ModelLoader.partition(config, false).require(64))
                .hasMessage("tensor parallel size 64 does not fit query heads 16, shared expert size 32,"
                        + " expert intermediate size 32; sizes that fit: [1, 2, 4, 8, 16]");
    }
}
