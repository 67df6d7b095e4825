package dev.tandem.checkpoint;

import static dev.tandem.checkpoint.FolderBuilder.NORM;
import static dev.tandem.checkpoint.FolderBuilder.Q_PROJ;
import static dev.tandem.checkpoint.FolderBuilder.aLlama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DamagedSafetensorsTest {
    @TempDir
    Path folder;

    private void shouldBeRefused(Path checkpoint, String... parts) {
        assertThatThrownBy(() -> Checkpoint.open(checkpoint).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContainingAll(parts);
    }

    private void shouldBeRefused(FolderBuilder builder, String... parts) {
        shouldBeRefused(builder.write(folder), parts);
    }

    private void shouldOpen(Path checkpoint) {
        try (Checkpoint opened = Checkpoint.open(checkpoint)) {
            assertThat(opened.tensors())
                    .containsOnlyKeys(WeightShapes.of(opened.config(), false).keySet());
        }
    }

    private static UnaryOperator<byte[]> headerLength(long length) {
        return file -> {
            ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
            return file;
        };
    }

    @Test
    void shouldOpenASoundFolder() {
        shouldOpen(aLlama().write(folder));
    }

    @Test
    void shouldRefuseAFileShorterThanItsHeader() {
        shouldBeRefused(
                aLlama().file(file -> Arrays.copyOf(file, 100)), "model.safetensors", "header length", "2 to 92");
    }

    @Test
    void shouldRefuseAFileWithoutHeaderLength() {
        shouldBeRefused(aLlama().file(file -> new byte[7]), "model.safetensors", "at least 8 bytes", "found 7");
        shouldBeRefused(aLlama().file(file -> new byte[0]), "at least 8 bytes", "found 0");
    }

    @Test
    void shouldRefuseTruncatedData() {
        shouldBeRefused(
                aLlama().file(file -> Arrays.copyOf(file, file.length - 1)),
                "tensor lm_head.weight",
                "an end within 1519 bytes of data",
                "found 1520");
    }

    @Test
    void shouldRefuseBytesBehindTheLastTensor() {
        shouldBeRefused(
                aLlama().file(file -> Arrays.copyOf(file, file.length + 4)),
                "data: expected 1520 bytes (the end of lm_head.weight), found 1524 bytes");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 0, 1, 1L << 32, 1L << 25})
    void shouldRefuseAbsurdHeaderLengths(long length) {
        shouldBeRefused(aLlama().file(headerLength(length)), "header length", Long.toUnsignedString(length));
    }

    @Test
    void shouldRefuseAHeaderThatIsNoJson() {
        shouldBeRefused(aLlama().header(header -> "x" + header), "header", "valid JSON");
        shouldBeRefused(aLlama().header(header -> "[]"), "header", "an object", "START_ARRAY");
        shouldBeRefused(aLlama().header(header -> header + "{}"), "header", "one JSON value");
        shouldBeRefused(aLlama().header(header -> header.substring(0, header.length() - 1)), "header", "valid JSON");
    }

    @Test
    void shouldRefuseAHeaderThatIsNoUtf8() {
        shouldBeRefused(
                aLlama().file(file -> {
                    file[10] = (byte) 0xFF;
                    return file;
                }),
                "header",
                "UTF-8");
    }

    @Test
    void shouldRefuseDuplicateNames() {
        shouldBeRefused(
                aLlama().header(header -> header.replace("model.norm.weight", "lm_head.weight")),
                "header",
                "Duplicate",
                "lm_head.weight");
    }

    @Test
    void shouldRefuseMetadataThatIsNotText() {
        shouldBeRefused(aLlama().header(header -> header.replace("\"pt\"", "{}")), "__metadata__", "texts by name");
    }

    @Test
    void shouldRefuseOverlappingTensors() {
        shouldBeRefused(
                aLlama().entry(NORM, "{\"dtype\": \"BF16\", \"shape\": [8], \"data_offsets\": [1240, 1256]}"),
                "tensor " + NORM,
                "offset 1248",
                "an overlap");
    }

    @Test
    void shouldRefuseGaps() {
        shouldBeRefused(
                aLlama().entry(NORM, "{\"dtype\": \"BF16\", \"shape\": [7], \"data_offsets\": [1250, 1264]}"),
                "tensor " + NORM,
                "offset 1248",
                "offset 1250");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"BF16\"|[8]|[1248, 1266]|16 bytes",
                "\"BF16\"|[8]|[1264, 1248]|[begin, end]",
                "\"BF16\"|[8]|[1248]|[begin, end]",
                "\"BF16\"|[8]|[1248, 1264, 1]|[begin, end]",
                "\"BF16\"|[8]|[-16, 0]|integers of 0 to 2^63",
                "\"BF16\"|[8]|[0.0, 16]|integers of 0 to 2^63",
                "\"BF16\"|[8]|[1248, 99999999999999999999]|integers of 0 to 2^63",
                "\"BF16\"|[8]|[9223372036854775791, 9223372036854775807]|an end within 1520",
                "\"BF16\"|[2147483648]|[0, 4294967296]|below 2^31",
                "\"BF16\"|[2147483647, 2147483647, 2147483647]|[0, 16]|fits 63 bits",
                "\"BF16\"|[0]|[1248, 1248]|at least 1",
                "\"BF16\"|[]|[1248, 1250]|1 to 4 extents",
                "\"BF16\"|[1,1,1,1,8]|[1248, 1264]|at most 4 integers",
                "\"BF16\"|\"8\"|[1248, 1264]|a list",
                "\"F8_E4M3\"|[16]|[1248, 1264]|found F8_E4M3",
                "\"I64\"|[2]|[1248, 1264]|found I64",
                "7|[8]|[1248, 1264]|dtype: expected a text"
            })
    void shouldRefuseEntriesThatCannotBe(String dtype, String shape, String offsets, String message) {
        String entry = "{\"dtype\": %s, \"shape\": %s, \"data_offsets\": %s}".formatted(dtype, shape, offsets);
        shouldBeRefused(aLlama().entry(NORM, entry), "model.safetensors", "tensor " + NORM, message);
    }

    @Test
    void shouldRefuseEntriesWithOtherFields() {
        shouldBeRefused(aLlama().entry(NORM, "{\"shape\": [8], \"data_offsets\": [1248, 1264]}"), "a dtype", "none");
        shouldBeRefused(aLlama().entry(NORM, "{\"strides\": [8]}"), "dtype, shape, data_offsets", "strides");
        shouldBeRefused(aLlama().entry(NORM, "[]"), "tensor " + NORM, "an object");
    }

    @Test
    void shouldRefuseMisalignedTensors() {
        shouldBeRefused(
                aLlama().file(file -> {
                    int header = (int)
                            ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
                    ByteBuffer shifted = ByteBuffer.allocate(file.length + 1).order(ByteOrder.LITTLE_ENDIAN);
                    shifted.putLong(header + 1).put(file, 8, header).put((byte) ' ');
                    return shifted.put(file, 8 + header, file.length - 8 - header)
                            .array();
                }),
                "a multiple of 2");
    }

    @Test
    void shouldRefuseAMissingTensor() {
        shouldBeRefused(aLlama().withoutTensor(Q_PROJ), "tensor " + Q_PROJ, "shape [8, 8]", "no such tensor");
    }

    @Test
    void shouldRefuseAWrongShape() {
        shouldBeRefused(aLlama().tensor(Q_PROJ, "BF16", 4, 16), "tensor " + Q_PROJ, "[8, 8]", "[4, 16]");
    }

    @Test
    void shouldRefuseTensorsThatNothingReads() {
        String bias = "model.layers.0.self_attn.q_proj.bias";
        shouldBeRefused(aLlama().tensor(bias, "BF16", 8), "tensor " + bias, "does not read", "BF16 [8]");
        String beyond = "model.layers.1.input_layernorm.weight";
        shouldBeRefused(aLlama().withoutTensor(bias).tensor(beyond, "BF16", 8), "tensor " + beyond);
    }

    @Test
    void shouldIgnoreRotaryBuffersOfOldFiles() {
        shouldOpen(aLlama().tensor("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 2)
                .write(folder));
    }

    @Test
    void shouldIgnoreAHeadThatRepeatsATiedEmbedding() {
        shouldOpen(aLlama().config("tie_word_embeddings", "true").write(folder));
        shouldOpen(aLlama().config("tie_word_embeddings", "true")
                .withoutTensor("lm_head.weight")
                .write(folder));
    }

    @Test
    void shouldRefuseAHeadThatDiffersFromATiedEmbedding() {
        shouldBeRefused(
                aLlama().config("tie_word_embeddings", "true").filled("lm_head.weight", 1),
                "tensor lm_head.weight",
                "tied");
    }

    @Test
    void shouldRefuseMoreLayersThanThereAreWithoutListingThemAll() {
        shouldBeRefused(aLlama().config("num_hidden_layers", "4096"), "tensor model.layers.1.input_layernorm.weight");
    }

    @Test
    void shouldOpenShards() {
        shouldOpen(aLlama().writeSharded(folder, index -> index));
    }

    @Test
    void shouldOpenShardsBehindSymbolicLinks(@TempDir Path blobs) throws IOException {
        aLlama().writeSharded(blobs, index -> index);
        try (var files = Files.list(blobs)) {
            for (Path file : files.toList()) {
                Files.createSymbolicLink(folder.resolve(file.getFileName()), file);
            }
        }
        shouldOpen(folder);
    }

    @Test
    void shouldRefuseAnIndexThatNamesAMissingFile() {
        shouldBeRefused(
                aLlama().writeSharded(folder, index -> index.replace("00002-of", "00003-of")),
                "model-00003-of-00002.safetensors",
                "a regular file",
                "nothing");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../model-00001-of-00002.safetensors",
                "/etc/model.safetensors",
                "..\\\\model.safetensors",
                "C:model.safetensors",
                "a/model.safetensors",
                "config.json",
                "model\\u0000.safetensors",
                ".."
            })
    void shouldRefuseAnIndexThatLeadsElsewhere(String name) {
        shouldBeRefused(
                aLlama().writeSharded(folder, index -> index.replace("model-00002-of-00002.safetensors", name)),
                "model.safetensors.index.json",
                "weight_map",
                "names of .safetensors files beside it");
    }

    @Test
    void shouldRefuseAnIndexThatPlacesATensorElsewhere() {
        String head = "\"lm_head.weight\": \"model-0000";
        shouldBeRefused(
                aLlama().writeSharded(folder, index -> index.replace(head + "2", head + "1")),
                "model-00002-of-00002.safetensors",
                "tensor lm_head.weight",
                "the index");
    }

    @Test
    void shouldRefuseAnIndexThatNamesAMissingTensor() {
        shouldBeRefused(
                aLlama().writeSharded(
                                folder,
                                index -> index.replace(
                                        "\"weight_map\": {",
                                        "\"weight_map\": {\"extra\": \"model-00001-of-00002.safetensors\", ")),
                "model-00001-of-00002.safetensors",
                "tensor extra");
    }

    @Test
    void shouldRefuseAnIndexOfAnotherForm() {
        shouldBeRefused(aLlama().writeSharded(folder, index -> "{}"), "weight_map", "files by tensor");
        shouldBeRefused(
                aLlama().writeSharded(folder, index -> "{\"weight_map\": {\"a\": 1}}"), "weight_map.a", "a text");
        shouldBeRefused(
                aLlama().writeSharded(folder, index -> index.replace("\"metadata\"", "\"extra\"")),
                "extra",
                "no key that nothing reads");
    }

    @Test
    void shouldRefuseFoldersWithoutWeights() throws IOException {
        aLlama().write(folder);
        Files.delete(folder.resolve("model.safetensors"));
        shouldBeRefused(folder, "model.safetensors", "neither");
        Files.createDirectory(folder.resolve("model.safetensors"));
        shouldBeRefused(folder, "model.safetensors", "a regular file", "something else");
    }

    @Test
    void shouldRefuseWhatIsNoCheckpoint() throws IOException {
        shouldBeRefused(folder, "config.json or exactly one .gguf file", "0 .gguf files");
        shouldBeRefused(folder.resolve("nowhere"), "a regular file", "nothing");
        Path text = Files.writeString(folder.resolve("notes.txt"), "notes");
        shouldBeRefused(text, "notes.txt", "magic", "GGUF");
    }
}
