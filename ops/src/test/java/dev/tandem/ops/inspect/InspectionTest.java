package dev.tandem.ops.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;

class InspectionTest {
    private static final Path GOLDEN = Path.of(System.getProperty("tandem.root"), "fixtures", "golden");

    private static Inspection inspect(String name) {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve(name))) {
            return Inspection.of(checkpoint);
        }
    }

    @Test
    void shouldCountParametersAndCacheBytes() {
        Inspection inspection = inspect("qwen3");
        long attention = 128L * (6 + 2 + 2 + 6) * 32;
        long layer = attention + 3 * 128 * 256 + 2 * 128 + 2 * 32;
        assertThat(inspection.parameters()).isEqualTo(2 * 1408 * 128 + 3 * layer + 128);
        assertThat(inspection.kvBytesPerToken(DType.BF16)).isEqualTo(2 * 3 * 2 * 32 * 2);
        assertThat(inspection.kvBytesPerToken(DType.F32)).isEqualTo(2 * 3 * 2 * 32 * 4);
    }

    @Test
    void shouldAddUpTypesOfAQuantisedFile() {
        Inspection inspection = inspect("gguf/llama-q8_0.gguf");
        assertThat(inspection.totals()).containsOnlyKeys(DType.F32, DType.F16, DType.Q8_0);
        assertThat(inspection.totals().get(DType.F16)).isEqualTo(new Inspection.Total(1, 1536 * 128, 1536 * 128 * 2));
        assertThat(inspection.parameters()).isEqualTo(inspect("llama").parameters());
    }

    @Test
    void shouldPrintLinesForPeople() {
        assertThat(inspect("qwen3-moe").lines())
                .contains("architecture           QWEN3_MOE (safetensors)")
                .contains("feed-forward           64 experts of 32, 8 per token")
                .contains("KV bytes per token     1,024 (bf16), 2,048 (f32)")
                .anyMatch(line -> line.matches("model\\.embed_tokens\\.weight +BF16 +\\[1408, 128] +360,448 bytes"))
                .anyMatch(line -> line.matches("model-00002-of-00003\\.safetensors [\\d,]+ bytes"));
        assertThat(inspect("gguf/llama-q4_0.gguf").lines())
                .contains("rope                   base 500000.0, scaling factors in the file");
    }

    @Test
    void shouldShowSchemesOfQuantisedWeights() {
        Inspection inspection = inspect("qwen3-moe-w8a8");
        assertThat(inspection.parameters()).isEqualTo(inspect("qwen3-moe").parameters());
        assertThat(inspection.lines())
                .contains("quantised              ascend W8A8: 1 FLOAT, 16 W8A8, 768 W8A8_DYNAMIC linear weights")
                .anyMatch(line -> line.matches(
                        "model\\.layers\\.0\\.self_attn\\.q_proj\\.weight +I8 +\\[256, 128] +32,768 bytes  W8A8"))
                .anyMatch(line -> line.endsWith("4,096 bytes  W8A8_DYNAMIC"));
        assertThat(inspection.json())
                .containsEntry(
                        "quantization",
                        Map.of(
                                "method",
                                "ascend",
                                "model_type",
                                "W8A8",
                                "linear_weights",
                                Map.of("FLOAT", 1, "W8A8", 16, "W8A8_DYNAMIC", 768)));
    }

    @Test
    void shouldTellOfLatentsAndChosenPositions() {
        Inspection inspection = inspect("deepseek-v3.2");
        assertThat(inspection.kvBytesPerToken(DType.BF16)).isEqualTo(3 * (64 + 16 + 32) * 2);
        assertThat(inspection.lines())
                .contains("attention              16 heads over a latent of 64 and a rotary key of 16,"
                        + " at most 16 positions chosen by 8 index heads of 32")
                .contains("rope                   base 10000.0, yarn scaling by 10.0")
                .contains(
                        "feed-forward           16 experts of 64, 4 per token, a shared one of 64; the first 1 layers dense");
        assertThat(inspection.json())
                .containsEntry("kv_latent_size", 64)
                .containsEntry("rotary_key_size", 16)
                .containsEntry("index_top_k", 16)
                .doesNotContainKey("head_dim");
    }

    @Test
    void shouldGiveTheSameToPrograms() {
        Map<String, Object> json = inspect("llama").json();
        assertThat(json)
                .containsEntry("format", "safetensors")
                .containsEntry("architecture", "llama")
                .containsEntry("ties_embeddings", true)
                .containsEntry("kv_bytes_per_token", Map.of("bf16", 384L, "f32", 768L));
        assertThat(json.get("tensors"))
                .asInstanceOf(InstanceOfAssertFactories.LIST)
                .hasSize(29)
                .contains(Map.of("name", "model.norm.weight", "dtype", "bf16", "shape", List.of(128), "bytes", 256L));
    }
}
