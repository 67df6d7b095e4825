package dev.tandem.checkpoint;

import static dev.tandem.checkpoint.GgufBuilder.F32;
import static dev.tandem.checkpoint.GgufBuilder.Q4_0;
import static dev.tandem.checkpoint.GgufBuilder.Q8_0;
import static dev.tandem.checkpoint.GgufBuilder.aLlama;
import static dev.tandem.checkpoint.GgufBuilder.joined;
import static dev.tandem.checkpoint.GgufBuilder.u32;
import static dev.tandem.checkpoint.GgufBuilder.u64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.kernel.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DamagedGgufTest {
    @TempDir
    Path folder;

    private void shouldBeRefused(GgufBuilder builder, String... parts) {
        Path file = builder.write(folder);
        assertThatThrownBy(() -> Checkpoint.open(file).close())
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContainingAll(parts);
    }

    private GgufCheckpoint open(GgufBuilder builder) {
        builder.write(folder);
        return (GgufCheckpoint) Checkpoint.open(folder);
    }

    @Test
    void shouldOpenASoundFileInAFolderOfItsOwn() {
        try (GgufCheckpoint checkpoint = open(aLlama())) {
            assertThat(checkpoint.config().vocabularySize()).isEqualTo(4);
            assertThat(checkpoint.config().tiesEmbeddings()).isTrue();
            assertThat(((ModelConfig.GroupedQuery) checkpoint.config().attention()).headDim())
                    .isEqualTo(16);
            assertThat(checkpoint.tensors()).hasSize(11);
        }
    }

    @Test
    void shouldReadEveryKindOfValue() {
        GgufBuilder builder = aLlama().raw("general.u8", 0, new byte[] {(byte) 200})
                .raw("general.i8", 1, new byte[] {-3})
                .raw("general.u16", 2, new byte[] {-1, -1})
                .raw("general.i16", 3, new byte[] {-1, -1})
                .raw("general.u32", 4, u32(-1))
                .raw("general.i32", 5, u32(-1))
                .raw("general.f32", 6, u32(Float.floatToRawIntBits(0.5f)))
                .raw("general.flag", 7, new byte[] {1})
                .raw("general.u64", 10, u64(Long.MAX_VALUE))
                .raw("general.i64", 11, u64(-5))
                .raw("general.f64", 12, u64(Double.doubleToRawLongBits(0.1)))
                .raw("general.list", 9, joined(u32(5), joined(u64(2), joined(u32(1), u32(-2)))));
        try (GgufCheckpoint checkpoint = open(builder)) {
            assertThat(checkpoint.metadata())
                    .containsEntry("general.u8", 200L)
                    .containsEntry("general.i8", -3L)
                    .containsEntry("general.u16", 65_535L)
                    .containsEntry("general.i16", -1L)
                    .containsEntry("general.u32", 4_294_967_295L)
                    .containsEntry("general.i32", -1L)
                    .containsEntry("general.f32", 0.5)
                    .containsEntry("general.flag", true)
                    .containsEntry("general.u64", Long.MAX_VALUE)
                    .containsEntry("general.i64", -5L)
                    .containsEntry("general.f64", 0.1)
                    .containsEntry("general.list", List.of(1L, -2L));
        }
    }

    @Test
    void shouldFollowTheTypeOfTheMatrices() {
        assertThat(GgufConfig.mainType(List.of())).isEqualTo(DType.BF16);
        try (GgufCheckpoint checkpoint = open(allF32())) {
            assertThat(checkpoint.config().dtype()).isEqualTo(DType.F32);
        }
    }

    private static GgufBuilder allF32() {
        return aLlama().tensor("token_embd.weight", F32, 32, 4)
                .tensor("blk.0.attn_q.weight", F32, 32, 32)
                .tensor("blk.0.attn_k.weight", F32, 32, 16)
                .tensor("blk.0.attn_v.weight", F32, 32, 16)
                .tensor("blk.0.attn_output.weight", F32, 32, 32)
                .tensor("blk.0.ffn_gate.weight", F32, 8192, new long[] {32, 64})
                .tensor("blk.0.ffn_up.weight", F32, 8192, new long[] {32, 64})
                .tensor("blk.0.ffn_down.weight", F32, 8192, new long[] {64, 32});
    }

    @Test
    void shouldFollowAnotherAlignment() {
        try (GgufCheckpoint checkpoint =
                open(aLlama().u32("general.alignment", 256).alignment(256))) {
            assertThat(checkpoint.tensors()).hasSize(11);
        }
        shouldBeRefused(aLlama().u32("general.alignment", 256).alignment(32), "tensor", "offset");
        for (int alignment : new int[] {0, 1, 33, -1, 1 << 30}) {
            shouldBeRefused(aLlama().u32("general.alignment", alignment), "general.alignment", "a power of two");
        }
    }

    @Test
    void shouldRefuseOtherFilesAndVersions() {
        shouldBeRefused(aLlama().file(file -> "notes".getBytes(StandardCharsets.UTF_8)), "magic");
        shouldBeRefused(aLlama().file(file -> new byte[0]), "magic", "0 bytes left");
        shouldBeRefused(aLlama().version(2), "version", "found 2");
        shouldBeRefused(aLlama().version(3 << 24), "version", "big-endian");
    }

    @Test
    void shouldRefuseEveryTruncation() {
        byte[] whole = aLlama().bytes();
        for (int length = 0; length < whole.length; length += 13) {
            int cut = length;
            shouldBeRefused(aLlama().file(file -> Arrays.copyOf(file, cut)), "expected", "found");
        }
    }

    @Test
    void shouldRefuseBytesBehindTheLastTensor() {
        shouldBeRefused(aLlama().file(file -> Arrays.copyOf(file, file.length + 64)), "data", "output_norm.weight");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MAX_VALUE, 1L << 40, 250_001})
    void shouldRefuseAbsurdCounts(long count) {
        for (int at : new int[] {8, 16}) {
            shouldBeRefused(
                    aLlama().file(file -> {
                        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putLong(at, count);
                        return file;
                    }),
                    "number of",
                    Long.toUnsignedString(count));
        }
    }

    @Test
    void shouldRefuseLengthsBeyondTheFile() {
        shouldBeRefused(aLlama().raw("general.name", 8, u64(1 << 20)), "general.name", "left in the file");
        shouldBeRefused(aLlama().raw("general.name", 8, u64(1L << 40)), "general.name", "bytes of text in one file");
        shouldBeRefused(aLlama().raw("general.name", 8, u64(-1)), "general.name", "below 2^63");
        shouldBeRefused(aLlama().raw("general.tags", 9, joined(u32(0), u64(1L << 40))), "general.tags", "entries");
        shouldBeRefused(aLlama().raw("general.tags", 9, joined(u32(8), u64(60_000))), "general.tags", "entries");
        shouldBeRefused(aLlama().extraKeys(1000), "key ");
    }

    @Test
    void shouldRefuseValuesThatCannotBe() {
        shouldBeRefused(aLlama().raw("general.flag", 7, new byte[] {2}), "general.flag", "0 or 1");
        shouldBeRefused(aLlama().raw("general.odd", 13, new byte[8]), "general.odd", "value type", "13");
        shouldBeRefused(aLlama().raw("general.odd", -1, new byte[8]), "general.odd", "4294967295");
        shouldBeRefused(
                aLlama().raw("general.deep", 9, joined(u32(9), joined(u64(1), joined(u32(9), u64(1))))),
                "general.deep",
                "arrays not inside arrays");
        shouldBeRefused(
                aLlama().raw("general.name", 8, joined(u64(1), new byte[] {(byte) 0xC0})), "general.name", "UTF-8");
        shouldBeRefused(aLlama().text("llama.x\n\u001by", "z"), "llama.x\\xa\\x1by: expected no key");
    }

    @Test
    void shouldRefuseAKeyOrTensorThatComesTwice() {
        shouldBeRefused(
                aLlama().text("general.architecturf", "llama").file(file -> renamed(file, "general.architectur", 'e')),
                "key general.architecture",
                "it twice");
        shouldBeRefused(
                aLlama().tensor("blk.0.attn_norm.weighu", F32, 32)
                        .file(file -> renamed(file, "blk.0.attn_norm.weigh", 't')),
                "tensor blk.0.attn_norm.weight",
                "it twice");
    }

    /** Gives the last occurrence of a name another last character. */
    private static byte[] renamed(byte[] file, String start, char last) {
        byte[] name = start.getBytes(StandardCharsets.UTF_8);
        int at = -1;
        for (int next = indexOf(file, name); next >= 0; next = indexOf(file, name, next + 1)) {
            at = next;
        }
        file[at + name.length] = (byte) last;
        return file;
    }

    private static int indexOf(byte[] file, byte[] part) {
        return indexOf(file, part, 0);
    }

    private static int indexOf(byte[] file, byte[] part, int from) {
        for (int at = from; at + part.length <= file.length; at++) {
            if (Arrays.equals(file, at, at + part.length, part, 0, part.length)) {
                return at;
            }
        }
        return -1;
    }

    @ParameterizedTest
    @CsvSource({"10, Q2_K", "12, Q4_K", "14, Q6_K", "24, I8", "4, unknown type 4", "999, unknown type 999"})
    void shouldRefuseTypesByName(int type, String name) {
        shouldBeRefused(aLlama().tensor("blk.0.attn_q.weight", type, 32, 32), "tensor blk.0.attn_q.weight", name);
    }

    @Test
    void shouldRefuseShapesThatCannotBe() {
        String name = "blk.0.attn_q.weight";
        shouldBeRefused(aLlama().tensor(name, Q4_0, 0, new long[0]), "tensor " + name, "extents");
        shouldBeRefused(aLlama().tensor(name, Q4_0, 1, 1, 1, 1, 32), "tensor " + name, "1 to 4 extents", "5");
        shouldBeRefused(aLlama().tensor(name, Q4_0, 32, 0), "tensor " + name, "at least 1");
        shouldBeRefused(aLlama().tensor(name, Q4_0, 0, new long[] {32, -1}), "tensor " + name, "below 2^63");
        shouldBeRefused(aLlama().tensor(name, Q4_0, 0, new long[] {1L << 31}), "tensor " + name, "below 2^31");
        long huge = Integer.MAX_VALUE;
        shouldBeRefused(aLlama().tensor(name, F32, 0, new long[] {huge, huge, huge}), "tensor " + name, "fits 63 bits");
        shouldBeRefused(aLlama().tensor(name, Q4_0, 16, 64), "tensor " + name, "whole Q4_0 blocks of 32");
        shouldBeRefused(aLlama().tensor(name, Q4_0, 32, 16), "tensor model", "[32, 32]", "[16, 32]");
    }

    @Test
    void shouldRefuseOffsetsThatCannotBe() {
        String name = "blk.0.attn_norm.weight";
        shouldBeRefused(aLlama().offset(name, 0), "overlap");
        shouldBeRefused(aLlama().offset(name, 168), name, "offset 160");
        shouldBeRefused(aLlama().offset(name, Long.MAX_VALUE), name, "an end within");
        shouldBeRefused(aLlama().offset(name, -32), name, "below 2^63");
    }

    @Test
    void shouldRefuseMissingAndUnreadTensors() {
        shouldBeRefused(
                aLlama().withoutTensor("blk.0.ffn_up.weight"), "model.layers.0.mlp.up_proj.weight", "no such tensor");
        shouldBeRefused(aLlama().tensor("blk.0.attn_q.bias", F32, 32), "tensor blk.0.attn_q.bias", "does not read");
        shouldBeRefused(aLlama().tensor("blk.00.attn_q.weight", F32, 32), "tensor blk.00.attn_q.weight");
        shouldBeRefused(aLlama().tensor("blk.1.attn_norm.weight", F32, 32), "model.layers.1.input_layernorm.weight");
        shouldBeRefused(aLlama().tensor("blk.0.attn_q_norm.weight", F32, 16), "model.layers.0.self_attn.q_norm");
    }

    @Test
    void shouldRefuseQuantisedNorms() {
        shouldBeRefused(aLlama().tensor("output_norm.weight", Q8_0, 32), "model.norm.weight", "F32, F16 or BF16");
    }

    @Test
    void shouldRefuseRotaryFactorsThatCannotDivide() {
        shouldBeRefused(aLlama().tensor("rope_freqs.weight", F32, 8), "rope_freqs.weight", "finite factors above 0");
        shouldBeRefused(aLlama().tensor("rope_freqs.weight", F32, 4), "rope_freqs.weight", "shape [8]", "[4]");
    }

    @ParameterizedTest
    @CsvSource({
        "llama.rope.scaling.factor, 8, no key that nothing reads",
        "llama.attention.sliding_window, 8, no key that nothing reads",
        "llama.expert_count, 8, expected [0]",
        "llama.block_count, 0, found 0",
        "llama.block_count, 4097, found 4097",
        "llama.embedding_length, -1, found 4294967295",
        "llama.attention.head_count, 3, attention.key_length",
        "llama.attention.head_count_kv, 3, a divisor of 2 heads",
        "llama.attention.value_length, 8, expected [16]",
        "llama.rope.dimension_count, 8, expected [16]",
        "llama.vocab_size, 5, 'shape [5, 32]'",
        "tokenizer.ggml.eos_token_id, 4, an integer of 0 to 3",
        "general.quantization_version, 1, expected [2]",
        "split.count, 2, no key that nothing reads"
    })
    void shouldRefuseMetadataByKey(String key, int value, String message) {
        shouldBeRefused(aLlama().u32(key, value), message);
    }

    @Test
    void shouldRefuseOtherArchitecturesAndVariants() {
        shouldBeRefused(aLlama().text("general.architecture", "mamba"), "llama, qwen3 or qwen3moe", "mamba");
        shouldBeRefused(aLlama().text("general.architecture", "qwen3"), "qwen3.embedding_length", "nothing");
        shouldBeRefused(aLlama().text("llama.rope.scaling.type", "yarn"), "llama.rope.scaling.type", "yarn");
        shouldBeRefused(aLlama().withoutKey("general.architecture"), "general.architecture", "nothing");
        shouldBeRefused(aLlama().withoutKey("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens", "a list");
    }

    @Test
    void shouldRefuseAFolderWithTwoFiles() {
        FolderBuilder.write(folder.resolve("other.gguf"), new byte[0]);
        aLlama().write(folder);
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContainingAll("exactly one .gguf file", "2 .gguf files");
    }
}
