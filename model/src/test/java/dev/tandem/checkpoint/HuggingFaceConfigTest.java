package dev.tandem.checkpoint;

import static dev.tandem.checkpoint.FolderBuilder.aLlama;
import static dev.tandem.checkpoint.FolderBuilder.aQwen3;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.kernel.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HuggingFaceConfigTest {
    private static final String LLAMA3 = "\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0,"
            + " \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64";

    @TempDir
    Path folder;

    private ModelConfig read(FolderBuilder builder) {
        try (Checkpoint checkpoint = Checkpoint.open(builder.write(folder))) {
            return checkpoint.config();
        }
    }

    private void shouldBeRefused(FolderBuilder builder, String... parts) {
        assertThatThrownBy(() -> read(builder))
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContainingAll(parts);
    }

    @Test
    void shouldTakeDefaultsOfTransformers() {
        ModelConfig config = read(aLlama());
        assertThat(config.attention()).isEqualTo(new GroupedQuery(2, 1, 4, false, new Rope(10_000, Optional.empty())));
        assertThat(config.tiesEmbeddings()).isFalse();
        assertThat(config.dtype()).isEqualTo(DType.BF16);
        assertThat(config.tokens().endOfText()).isEmpty();
    }

    @Test
    void shouldTakeOneKeyHeadAQueryHeadWhereLlamaSaysNothing() {
        assertThat(read(aLlama().withoutConfig("num_key_value_heads")
                                .tensor("model.layers.0.self_attn.k_proj.weight", "BF16", 8, 8)
                                .tensor("model.layers.0.self_attn.v_proj.weight", "BF16", 8, 8))
                        .attention()
                        .kvHeads())
                .isEqualTo(2);
    }

    @Test
    void shouldReadRopeAsTransformers5WritesIt() {
        ModelConfig config = read(aLlama().config("rope_parameters", "{\"rope_theta\": 5e5, " + LLAMA3 + "}")
                .config("dtype", "\"float16\""));
        assertThat(config.attention().rope().theta()).isEqualTo(500_000);
        assertThat(config.attention().rope().scaling()).contains(new Llama3Scaling(8, 1, 4, 64));
        assertThat(config.dtype()).isEqualTo(DType.F16);
    }

    @Test
    void shouldReadRopeAsEarlierVersionsWroteIt() {
        assertThat(read(aLlama().config("rope_theta", "500000").config("rope_scaling", "{" + LLAMA3 + "}"))
                        .attention())
                .isEqualTo(new GroupedQuery(2, 1, 4, false, new Rope(500_000, Optional.of(new Llama3Scaling(8, 1, 4, 64)))));
    }

    @Test
    void shouldReadGenerationDefaults() {
        var tokens = read(aLlama().config("eos_token_id", "3")
                        .generation("eos_token_id", "[2, 3]")
                        .generation("bos_token_id", "1")
                        .generation("min_p", "0.05")
                        .generation("top_k", "7"))
                .tokens();
        assertThat(tokens.beginOfText()).contains(1);
        assertThat(tokens.endOfText()).isEqualTo(List.of(3, 2));
        assertThat(tokens.defaults().minP()).contains(0.05);
        assertThat(tokens.defaults().topK()).contains(7);
        assertThat(tokens.defaults().temperature()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "sliding_window|4096|use_sliding_window|false",
                "layer_types|[\"full_attention\"]|attention_bias|false",
                "rope_scaling|null|max_window_layers|28",
                "transformers_version|\"4.51.0\"|attention_dropout|0.0"
            })
    void shouldAcceptWhatChangesNothing(String key, String value, String otherKey, String otherValue) {
        assertThat(read(aQwen3().config(key, value).config(otherKey, otherValue))
                        .layers())
                .isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "architectures|[\"MistralForCausalLM\"]|one of LlamaForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM, DeepseekV3ForCausalLM, DeepseekV32ForCausalLM",
                "architectures|[]|one of LlamaForCausalLM",
                "architectures|\"LlamaForCausalLM\"|a list",
                "model_type|\"qwen3\"|expected llama",
                "hidden_size|8.0|an integer of 1 to",
                "hidden_size|\"8\"|an integer of 1 to",
                "hidden_size|0|found 0",
                "hidden_size|2147483648|found 2147483648",
                "hidden_size|99999999999999999999|hidden_size: expected an integer",
                "num_hidden_layers|-1|found -1",
                "num_hidden_layers|1000000|found 1000000",
                "vocab_size|null|found null",
                "num_attention_heads|3|head_dim",
                "num_key_value_heads|0|found 0",
                "head_dim|3|an even number",
                "rms_norm_eps|0|a number of",
                "rms_norm_eps|1e999|a number of",
                "rms_norm_eps|NaN|valid JSON",
                "rope_theta|-5|a number of",
                "rope_scaling|{\"rope_type\": \"yarn\", \"factor\": 4.0}|rope_scaling.rope_type: expected default or llama3, found yarn",
                "rope_scaling|{\"type\": \"linear\", \"factor\": 4.0}|rope_scaling.type: expected default or llama3, found linear",
                "rope_scaling|{\"rope_type\": \"llama3\", \"factor\": 8.0}|rope_scaling.low_freq_factor",
                "rope_scaling|{\"rope_type\": \"default\", \"factor\": 8.0}|rope_scaling.factor",
                "rope_scaling|8|a group of keys",
                "rope_parameters|{\"partial_rotary_factor\": 0.5}|rope_parameters.partial_rotary_factor: expected [1.0]",
                "attention_bias|true|expected [false] (other values are not implemented), found true",
                "mlp_bias|true|found true",
                "hidden_act|\"gelu\"|expected [silu]",
                "sliding_window|4096|found 4096",
                "layer_types|[\"sliding_attention\"]|full_attention everywhere",
                "pretraining_tp|2|expected [1]",
                "quantization_config|{\"quant_method\": \"fp8\"}|quant_method=fp8",
                "torch_dtype|\"float64\"|bfloat16, float16 or float32",
                "eos_token_id|16|integer of 0 to 15",
                "eos_token_id|[1, \"2\"]|integers of 0 to 15",
                "logit_scale|1.0|no key that nothing reads",
                "num_experts|8|no key that nothing reads"
            })
    void shouldRefuseValuesByKey(String key, String value, String message) {
        shouldBeRefused(aLlama().config(key, value), "config.json", key.equals("head_dim") ? "head size" : "", message);
    }

    @Test
    void shouldNameTheKeyThatIsMissing() {
        shouldBeRefused(aLlama().withoutConfig("rms_norm_eps"), "config.json: rms_norm_eps", "found nothing");
        shouldBeRefused(aQwen3().withoutConfig("head_dim"), "config.json: head_dim", "found nothing");
    }

    @Test
    void shouldRefuseContradictions() {
        shouldBeRefused(
                aLlama().config("dtype", "\"float16\"").config("torch_dtype", "\"bfloat16\""), "dtype", "torch_dtype");
        shouldBeRefused(
                aLlama().config("rope_theta", "1e4").config("rope_parameters", "{\"rope_theta\": 5e5}"), "rope_theta");
        shouldBeRefused(
                aLlama().config("rope_scaling", "{}").config("rope_parameters", "{}"), "rope_scaling", "null beside");
        shouldBeRefused(aLlama().config("num_key_value_heads", "2").config("num_attention_heads", "1"), "a divisor of");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "num_beams|4|expected [1]",
                "temperature|-1|a number of 0.0 to",
                "top_k|0.5|an integer",
                "suppress_tokens|[1]|no key that nothing reads"
            })
    void shouldRefuseGenerationDefaultsThatNothingFollows(String key, String value, String message) {
        shouldBeRefused(aLlama().generation(key, value), "generation_config.json: " + key, message);
    }

    @Test
    void shouldRefuseConfigurationsThatAreNoObject() throws IOException {
        aLlama().write(folder);
        for (var entry : Map.of(
                        "[1]",
                        "an object",
                        "",
                        "an object",
                        "{\"a\": 1, \"a\": 2}",
                        "Duplicate",
                        "[".repeat(100_000),
                        "an object",
                        "{\"a\":" + "[".repeat(100_000),
                        "nesting",
                        IntStream.range(0, 200_000).mapToObj(i -> "   \"a\"").collect(Collectors.joining(",")),
                        "at most 1048576 bytes")
                .entrySet()) {
            Files.writeString(folder.resolve("config.json"), entry.getKey());
            assertThatThrownBy(() -> Checkpoint.open(folder).close())
                    .isExactlyInstanceOf(CheckpointException.class)
                    .hasMessageContainingAll("config.json", entry.getValue());
        }
    }
}
