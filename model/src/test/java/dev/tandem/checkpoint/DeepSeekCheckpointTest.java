package dev.tandem.checkpoint;

import static dev.tandem.checkpoint.FolderBuilder.aDeepSeek;
import static dev.tandem.checkpoint.FolderBuilder.aLlama;
import static dev.tandem.checkpoint.FolderBuilder.aSparseDeepSeek;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.FeedForward;
import dev.tandem.checkpoint.ModelConfig.Indexer;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.checkpoint.ModelConfig.Ramp;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folders of DeepSeek-V3 and V3.2: what is read, what is ignored, and that everything else is refused. */
class DeepSeekCheckpointTest {
    private static final Path GOLDEN = Path.of(System.getProperty("tandem.root"), "fixtures", "golden");
    private static final String YARN = "\"factor\": 40, \"original_max_position_embeddings\": 4096";
    private static final String MAGNITUDES = "\"mscale\": 1.0, \"mscale_all_dim\": 0.5";

    @TempDir
    Path folder;

    private ModelConfig read(FolderBuilder builder) {
        try (Checkpoint checkpoint = Checkpoint.open(builder.write(folder))) {
            return checkpoint.config();
        }
    }

    private void shouldBeRefused(FolderBuilder builder, String... parts) {
        Path written = builder.write(folder);
        assertThatThrownBy(() -> Checkpoint.open(written).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContainingAll(parts);
    }

    @Test
    void shouldReadTheGoldenOfV3() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("deepseek-v3"))) {
            ModelConfig config = checkpoint.config();
            assertThat(config.architecture()).isEqualTo(Architecture.DEEPSEEK_V3);
            assertThat(config.attention())
                    .isEqualTo(new Latent(
                            16,
                            new LatentSizes(96, 64, 32, 16, 32),
                            new Rope(10_000, Optional.of(new YarnScaling(8, 64, new Ramp(32, 1), 1, 0.8))),
                            Optional.empty()));
            var routing = new Routing(Scoring.SIGMOID, true, 4, 2, 2.5);
            var experts = new Experts(32, 4, 32, routing, new DenseParts(1, 32));
            assertThat(config.feedForward()).isEqualTo(new FeedForward(256, Optional.of(experts)));
            assertThat(config.feedForward().expertsOf(0)).isEmpty();
            assertThat(config.feedForward().expertsOf(1)).contains(experts);
            assertThat(checkpoint.tensors())
                    .containsOnlyKeys(WeightShapes.of(config, false).keySet());
        }
    }

    @Test
    void shouldReadTheIndexerOfV32() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("deepseek-v3.2"))) {
            assertThat(checkpoint.config().architecture()).isEqualTo(Architecture.DEEPSEEK_V32);
            assertThat(((Latent) checkpoint.config().attention()).indexer()).contains(new Indexer(8, 32, 16));
        }
        assertThat(((Latent) read(aSparseDeepSeek()).attention()).indexer()).contains(new Indexer(3, 4, 7));
    }

    @Test
    void shouldReadInt8WeightsOfV32() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("deepseek-v3.2-w8a8"))) {
            var schemes = checkpoint.quantization().orElseThrow().schemes();
            String attention = "model.layers.0.self_attn.";
            assertThat(schemes)
                    .containsEntry(attention + "kv_a_proj_with_mqa.weight", Quantization.Scheme.W8A8)
                    .containsEntry(attention + "indexer.wq_b.weight", Quantization.Scheme.W8A8_DYNAMIC)
                    .containsEntry(attention + "indexer.wk.weight", Quantization.Scheme.FLOAT)
                    .doesNotContainKey(attention + "kv_b_proj.weight");
        }
    }

    @Test
    void shouldRefuseInt8WhereAbsorbedAttentionReadsColumns() throws IOException {
        try (var files = Files.list(GOLDEN.resolve("deepseek-v3.2-w8a8"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Path description = folder.resolve("quant_model_description.json");
        String name = "\"model.layers.1.self_attn.kv_b_proj.weight\": ";
        String edited = Files.readString(description).replace(name + "\"FLOAT\"", name + "\"W8A8_DYNAMIC\"");
        Files.writeString(description, edited);
        assertThatThrownBy(() -> Checkpoint.open(folder).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContainingAll("model.layers.1.self_attn.kv_b_proj.weight", "FLOAT", "kv_b_proj is not one");
    }

    @Test
    void shouldTellWhichWeightsExportersQuantise() {
        assertThat(Quantization.isProjection("model.layers.3.self_attn.kv_a_proj_with_mqa.weight")).isTrue();
        assertThat(Quantization.isProjection("model.layers.3.self_attn.indexer.wq_b.weight")).isTrue();
        assertThat(Quantization.isProjection("model.layers.3.mlp.shared_experts.up_proj.weight")).isTrue();
        for (String kept : new String[] {"kv_b_proj", "indexer.wk", "indexer.weights_proj", "kv_a_layernorm"}) {
            assertThat(Quantization.isProjection("model.layers.3.self_attn." + kept + ".weight")).isFalse();
        }
        assertThat(Quantization.isProjection("lm_head.weight")).isFalse();
    }

    @Test
    void shouldIgnoreLayersThatOnlyDraft() {
        FolderBuilder drafting = aDeepSeek()
                .config("num_nextn_predict_layers", "1")
                .tensor("model.layers.2.eh_proj.weight", "BF16", 8, 16)
                .tensor("model.layers.2.shared_head.head.weight", "BF16", 16, 8);
        assertThat(read(drafting).predictionLayers()).isEqualTo(1);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.tensors()).doesNotContainKey("model.layers.2.eh_proj.weight");
        }
    }

    @Test
    void shouldRefuseLayersThatNoConfigurationMentions() {
        shouldBeRefused(
                aDeepSeek().tensor("model.layers.2.eh_proj.weight", "BF16", 8, 16),
                "tensor model.layers.2.eh_proj.weight");
        shouldBeRefused(
                aDeepSeek()
                        .config("num_nextn_predict_layers", "1")
                        .tensor("model.layers.3.eh_proj.weight", "BF16", 8, 16),
                "tensor model.layers.3.eh_proj.weight");
        shouldBeRefused(
                aDeepSeek().config("num_nextn_predict_layers", "1").tensor("model.layers.1.eh_proj.weight", "BF16", 8),
                "tensor model.layers.1.eh_proj.weight");
        shouldBeRefused(aLlama().config("num_nextn_predict_layers", "1"), "num_nextn_predict_layers");
    }

    @Test
    void shouldAcceptWhatPublishedConfigurationsSayBeside() {
        ModelConfig config = read(aDeepSeek()
                .config("auto_map", "{\"AutoConfig\": \"configuration_deepseek.DeepseekV3Config\"}")
                .config("aux_loss_alpha", "0.001")
                .config("seq_aux", "true")
                .config("ep_size", "1")
                .config("moe_layer_freq", "1")
                .config("pretraining_tp", "1")
                .config("head_dim", "2")
                .config("qk_head_dim", "5")
                .config("rope_interleave", "true")
                .config("quantization_config", "null"));
        assertThat(config.attention().kvHeads()).isEqualTo(1);
        assertThat(config.attention().rope()).isEqualTo(new Rope(10_000, Optional.empty()));
    }

    @Test
    void shouldReadYarnInBothFormsOfTransformers() {
        var expected = new Rope(
                500_000, Optional.of(new YarnScaling(40, 4096, new Ramp(32, 1), 1, 0.5)));
        assertThat(read(aDeepSeek()
                                .config("rope_theta", "500000")
                                .config("rope_scaling", "{\"type\": \"yarn\", " + YARN + ", " + MAGNITUDES + "}"))
                        .attention()
                        .rope())
                .isEqualTo(expected);
        assertThat(read(aDeepSeek()
                                .config(
                                        "rope_parameters",
                                        "{\"rope_type\": \"yarn\", \"rope_theta\": 5e5, \"beta_fast\": 32, \"beta_slow\": 1, "
                                                + YARN + ", " + MAGNITUDES + "}"))
                        .attention()
                        .rope())
                .isEqualTo(expected);
    }

    @Test
    void shouldRefuseYarnThatSaysTooLittleOrTooMuch() {
        shouldBeRefused(aDeepSeek().config("rope_scaling", "{\"type\": \"yarn\", " + YARN + "}"), "rope_scaling.mscale");
        shouldBeRefused(
                aDeepSeek().config("rope_scaling", "{\"type\": \"yarn\", " + MAGNITUDES + "}"), "rope_scaling.factor");
        shouldBeRefused(
                aDeepSeek()
                        .config(
                                "rope_scaling",
                                "{\"type\": \"yarn\", \"attention_factor\": 2, " + YARN + ", " + MAGNITUDES + "}"),
                "rope_scaling.attention_factor");
        shouldBeRefused(
                aDeepSeek()
                        .config(
                                "rope_scaling",
                                "{\"type\": \"yarn\", \"beta_fast\": 1, " + YARN + ", " + MAGNITUDES + "}"),
                "beta_fast",
                "more than beta_slow 1.0");
        shouldBeRefused(
                aDeepSeek().config("rope_scaling", "{\"type\": \"llama3\"}"), "default or yarn", "found llama3");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "q_lora_rank|null|an integer of 1 to",
                "kv_lora_rank|0|found 0",
                "qk_rope_head_dim|3|qk_rope_head_dim: expected an even number",
                "num_key_value_heads|1|expected [2]",
                "head_dim|5|expected [2]",
                "rope_interleave|false|expected [true]",
                "scoring_func|\"softmax\"|expected [sigmoid]",
                "topk_method|\"greedy\"|expected [noaux_tc]",
                "moe_layer_freq|2|expected [1]",
                "n_group|3|n_group: expected a divisor of 4 experts",
                "n_group|4|groups of at least 2 experts",
                "topk_group|3|at most n_group 2",
                "num_experts_per_tok|3|experts a token: expected at most 2",
                "routed_scaling_factor|0|a number of",
                "first_k_dense_replace|-1|found -1",
                "model_type|\"deepseek_v32\"|expected deepseek_v3",
                "attention_bias|true|expected [false]",
                "sliding_window|4096|found 4096",
                "index_topk|2048|no key that nothing reads"
            })
    void shouldRefuseValuesByKey(String key, String value, String message) {
        shouldBeRefused(aDeepSeek().config(key, value), "config.json", message);
    }

    @Test
    void shouldRefuseAnIndexerWithHeadsSmallerThanWhatIsRotated() {
        shouldBeRefused(
                aSparseDeepSeek().config("index_head_dim", "1"), "index_head_dim", "at least qk_rope_head_dim 2");
        shouldBeRefused(aSparseDeepSeek().withoutConfig("index_topk"), "index_topk", "found nothing");
    }

    @Test
    void shouldSayThatFp8IsNotImplemented() {
        shouldBeRefused(
                aDeepSeek()
                        .config("quantization_config", "{\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128]}"),
                "quantization_config: expected none (fp8",
                "convert the weights to bfloat16",
                "found {quant_method=fp8");
        shouldBeRefused(
                aDeepSeek()
                        .entry(
                                "model.embed_tokens.weight",
                                "{\"dtype\": \"F8_E4M3\", \"shape\": [32, 8], \"data_offsets\": [0, 256]}"),
                "model.embed_tokens.weight",
                "fp8 is not implemented",
                "found F8_E4M3");
    }
}
