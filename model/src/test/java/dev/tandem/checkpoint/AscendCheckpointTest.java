package dev.tandem.checkpoint;

import static dev.tandem.checkpoint.FolderBuilder.NORM;
import static dev.tandem.checkpoint.FolderBuilder.Q_PROJ;
import static dev.tandem.checkpoint.FolderBuilder.aQuantisedQwen3;
import static dev.tandem.checkpoint.FolderBuilder.aQwen3;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.Quantization.Scheme;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** ModelSlim folders: what they hold, and that nothing in them is taken on trust. */
class AscendCheckpointTest {
    private static final Path GOLDEN = Path.of(System.getProperty("tandem.root"), "fixtures", "golden");
    private static final String LAYER = "model.layers.0.";
    private static final String GATE = LAYER + "mlp.gate_proj.weight";

    @TempDir
    Path folder;

    private void shouldBeRefused(FolderBuilder builder, String... parts) {
        Path written = builder.write(folder);
        assertThatThrownBy(() -> Checkpoint.open(written).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContainingAll(parts);
    }

    private static String q(String part) {
        return Quantization.beside(Q_PROJ, part);
    }

    private static String gate(String part) {
        return Quantization.beside(GATE, part);
    }

    private static LinearWeight linear(Checkpoint checkpoint, String name) {
        Map<String, Tensor> tensors = checkpoint.tensors();
        return checkpoint.quantization().orElseThrow().linear(name, part -> Optional.ofNullable(tensors.get(part)));
    }

    @Test
    void shouldReadTheGoldenFolder() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("qwen3-moe-w8a8"))) {
            Quantization quantization = checkpoint.quantization().orElseThrow();
            assertThat(quantization.method()).isEqualTo("ascend");
            assertThat(quantization.modelType()).isEqualTo("W8A8");
            assertThat(quantization.counts())
                    .isEqualTo(Map.of(Scheme.W8A8, 16, Scheme.W8A8_DYNAMIC, 3 * 256, Scheme.FLOAT, 1));
            assertThat(checkpoint.files()).hasSize(2);
            assertThat(checkpoint.config().dtype()).isEqualTo(DType.BF16);
        }
    }

    @Test
    void shouldMapInt8WeightsAndScalesWithoutCopy() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("qwen3-moe-w8a8"))) {
            var weight = (Int8Weight) linear(checkpoint, Q_PROJ);
            assertThat(List.of(
                            weight.values(),
                            weight.outputScales(),
                            weight.staticInput().orElseThrow().bias(),
                            weight.slice(16, 32).values()))
                    .allMatch(tensor -> tensor.data().isMapped());
            assertThat(linear(checkpoint, "lm_head.weight")).isInstanceOf(Tensor.class);
        }
    }

    @Test
    void shouldFindNoQuantisationInAPlainFolder() {
        try (Checkpoint checkpoint = Checkpoint.open(GOLDEN.resolve("qwen3"))) {
            assertThat(checkpoint.quantization()).isEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "quant_model_weights.safetensors",
                "quant_model_weight_w8a8_dynamic.safetensors",
                "model.safetensors"
            })
    void shouldOpenUnderAnyNameOfTheExporter(String file) {
        Path written = aQuantisedQwen3()
                .weightsFile(file)
                .config("quantize", "\"w8a8_dynamic\"")
                .described("group_size", "128")
                .described("kv_quant_type", "null")
                .described("metadata", "{}")
                .described("optional", "{\"quarot\": {}}")
                .write(folder);
        try (Checkpoint checkpoint = Checkpoint.open(written)) {
            assertThat(linear(checkpoint, Q_PROJ)).isInstanceOf(Int8Weight.class);
            assertThat(((Int8Weight) linear(checkpoint, GATE)).staticInput()).isEmpty();
        }
    }

    @Test
    void shouldTakeTheWeightsOwnScaleBesideAStaticInput() {
        Path written = aQuantisedQwen3()
                .tensor(q("weight_scale"), "F32", 8, 1)
                .tensor(q("weight_offset"), "F32", 8, 1)
                .described(q("weight_scale"), "\"W8A8\"")
                .described(q("weight_offset"), "\"W8A8\"")
                .write(folder);
        try (Checkpoint checkpoint = Checkpoint.open(written)) {
            assertThat(checkpoint.tensors()).containsKey(q("weight_scale"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"input_scale", "input_offset", "deq_scale", "quant_bias"})
    void shouldRefuseAMissingTensorBesideAStaticWeight(String part) {
        shouldBeRefused(
                aQuantisedQwen3().withoutTensor(q(part)).withoutDescribed(q(part)),
                "tensor " + q(part),
                "it beside a W8A8 weight",
                "no such tensor");
    }

    @ParameterizedTest
    @ValueSource(strings = {"weight_scale", "weight_offset"})
    void shouldRefuseAMissingTensorBesideADynamicWeight(String part) {
        shouldBeRefused(
                aQuantisedQwen3().withoutTensor(gate(part)).withoutDescribed(gate(part)),
                "tensor " + gate(part),
                "it beside a W8A8_DYNAMIC weight",
                "no such tensor");
    }

    @Test
    void shouldRefuseHalfOfTheTensorsThatAreNotNeeded() {
        shouldBeRefused(
                aQuantisedQwen3().tensor(q("weight_scale"), "F32", 8, 1).described(q("weight_scale"), "\"W8A8\""),
                q("weight_offset"),
                "no such tensor");
    }

    @Test
    void shouldRefuseADescriptionThatContradictsTheTensor() {
        shouldBeRefused(
                aQuantisedQwen3().tensor(Q_PROJ, "BF16", 8, 8),
                "tensor " + Q_PROJ,
                "I8 (the description says W8A8)",
                "found BF16");
        shouldBeRefused(
                aQuantisedQwen3().described(GATE, "\"FLOAT\""), "tensor " + GATE, "a type of weights", "found I8");
        shouldBeRefused(aQuantisedQwen3().described(GATE, "\"W8A8\""), gate("input_scale"), "it beside a W8A8 weight");
        shouldBeRefused(
                aQuantisedQwen3().described(q("deq_scale"), "\"FLOAT\""),
                "quant_model_description.json",
                q("deq_scale"),
                "W8A8, as its weight",
                "found FLOAT");
    }

    @Test
    void shouldRefuseWhatOnlyOneOfDescriptionAndFilesHas() {
        shouldBeRefused(
                aQuantisedQwen3().described(LAYER + "mlp.extra_proj.weight", "\"FLOAT\""),
                "quant_model_description.json",
                "mlp.extra_proj.weight",
                "names of tensors in the weight files");
        shouldBeRefused(
                aQuantisedQwen3().withoutDescribed(Q_PROJ), "quant_model_description.json", Q_PROJ, "found nothing");
        shouldBeRefused(
                aQuantisedQwen3().withoutDescribed(q("quant_bias")), q("quant_bias"), "as its weight", "found nothing");
        shouldBeRefused(
                aQuantisedQwen3()
                        .tensor(LAYER + "input_layernorm.bias", "F32", 8)
                        .described(LAYER + "input_layernorm.bias", "\"FLOAT\""),
                "input_layernorm.bias",
                "no tensor that the model does not read");
    }

    @ParameterizedTest
    @CsvSource({
        "W8A16, W8A16",
        "W4A8_DYNAMIC, W4A8_DYNAMIC",
        "w8a8, w8a8",
    })
    void shouldRefuseUnknownSchemes(String scheme, String shown) {
        shouldBeRefused(
                aQuantisedQwen3().described(Q_PROJ, "\"" + scheme + "\""),
                "quant_model_description.json",
                Q_PROJ,
                "FLOAT, W8A8 or W8A8_DYNAMIC",
                "found " + shown);
    }

    @Test
    void shouldRefuseKeysAboutTheWholeThatNothingReads() {
        shouldBeRefused(aQuantisedQwen3().described("kv_quant_type", "\"C8\""), "kv_quant_type", "found C8");
        shouldBeRefused(aQuantisedQwen3().described("fa_quant_type", "\"FAQuant\""), "fa_quant_type", "FAQuant");
        shouldBeRefused(
                aQuantisedQwen3().described("metadata", "{\"quarot\": {\"max_tp_size\": 4}}"), "metadata", "quarot");
        shouldBeRefused(aQuantisedQwen3().described("is_rot_used", "true"), "is_rot_used", "a text");
        shouldBeRefused(aQuantisedQwen3().withoutDescribed("model_quant_type"), "model_quant_type", "a text");
    }

    @Test
    void shouldRefuseQuantisedTensorsOtherThanProjections() {
        shouldBeRefused(
                aQuantisedQwen3().described(NORM, "\"W8A8\""), NORM, "only projections and lm_head may be quantised");
        shouldBeRefused(
                aQuantisedQwen3().described("model.embed_tokens.weight", "\"W8A8_DYNAMIC\""),
                "model.embed_tokens.weight",
                "only projections and lm_head may be quantised");
    }

    @Test
    void shouldRefuseWrongShapesAndTypesBesideAWeight() {
        shouldBeRefused(
                aQuantisedQwen3().tensor(q("deq_scale"), "F32", 7), q("deq_scale"), "shape [8] or [8, 1]", "[7]");
        shouldBeRefused(aQuantisedQwen3().tensor(q("input_scale"), "F32", 8), q("input_scale"), "shape [1]", "[8]");
        shouldBeRefused(aQuantisedQwen3().tensor(q("quant_bias"), "F32", 8), q("quant_bias"), "expected I32", "F32");
        shouldBeRefused(
                aQuantisedQwen3().tensor(gate("weight_scale"), "I32", 12, 1), gate("weight_scale"), "found I32");
        shouldBeRefused(aQuantisedQwen3().tensor(GATE, "I8", 12, 7), GATE, "shape [12, 8]", "[12, 7]");
    }

    @Test
    void shouldRefuseValuesThatTheFormulaCannotTake() {
        shouldBeRefused(
                aQuantisedQwen3().filled(gate("weight_offset"), 0x3c), gate("weight_offset"), "zeros", "0.0114");
        shouldBeRefused(aQuantisedQwen3().filled(q("input_scale"), 0), q("input_scale"), "above 0", "found 0.0");
        shouldBeRefused(
                aQuantisedQwen3().filled(q("input_offset"), 0x3c), q("input_offset"), "a whole number", "0.0114");
        shouldBeRefused(aQuantisedQwen3().filled(q("deq_scale"), 0xff), q("deq_scale"), "finite scales", "NaN");
        shouldBeRefused(aQuantisedQwen3().filled(gate("weight_scale"), 0xbc), gate("weight_scale"), "none negative");
        shouldBeRefused(
                aQuantisedQwen3().filledWithInts(q("quant_bias"), Integer.MIN_VALUE),
                q("quant_bias"),
                "magnitudes of at most " + (Integer.MAX_VALUE - 8 * 16384),
                "-2147483648");
    }

    @Test
    void shouldRefuseQuantisedWeightsWithoutTheirDescription() throws IOException {
        aQuantisedQwen3().write(folder);
        Files.delete(folder.resolve("quant_model_description.json"));
        assertThatThrownBy(() -> Checkpoint.open(folder).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContainingAll("quant_model_description.json", "beside quantised weights");
    }

    @Test
    void shouldRefuseTwoSetsOfWeights() {
        aQuantisedQwen3().write(folder);
        shouldBeRefused(
                aQuantisedQwen3().weightsFile("quant_model_weight_old.safetensors"),
                "weight files",
                "quant_model_weight_old.safetensors, quant_model_weights.safetensors");
    }

    @Test
    void shouldRefuseAQuantisedConfigurationOfAPlainFolder() {
        shouldBeRefused(aQwen3().config("quantize", "\"w8a8\""), "config.json", "quantize", "found w8a8");
        shouldBeRefused(aQuantisedQwen3().config("quantize", "\"w4a8\""), "config.json", "quantize", "found w4a8");
    }
}
