package dev.tandem.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Writes a small GGUF file, sound or damaged as a test asks. */
final class GgufBuilder {
    static final int F32 = 0;
    static final int Q4_0 = 2;
    static final int Q8_0 = 8;

    private final Map<String, byte[]> metadata = new LinkedHashMap<>();
    private final Map<String, Stored> tensors = new LinkedHashMap<>();
    private final Map<String, Long> offsets = new LinkedHashMap<>();
    private UnaryOperator<byte[]> fileEdit = file -> file;
    private int version = 3;
    private int extraKeys;
    private int alignment = 32;

    private record Stored(int type, long[] extents, int bytes) {}

    private GgufBuilder() {}

    /** One layer of width 32, 2 heads of 16 over 1, inner width 64, vocabulary 4, tied. */
    static GgufBuilder aLlama() {
        return new GgufBuilder()
                .text("general.architecture", "llama")
                .u32("llama.context_length", 64)
                .u32("llama.embedding_length", 32)
                .u32("llama.block_count", 1)
                .u32("llama.feed_forward_length", 64)
                .u32("llama.attention.head_count", 2)
                .u32("llama.attention.head_count_kv", 1)
                .f32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .u32("llama.rope.dimension_count", 16)
                .texts("tokenizer.ggml.tokens", "a", "b", "c", "d")
                .u32("tokenizer.ggml.eos_token_id", 3)
                .tensor("token_embd.weight", Q8_0, 32, 4)
                .tensor("blk.0.attn_norm.weight", F32, 32)
                .tensor("blk.0.attn_q.weight", Q4_0, 32, 32)
                .tensor("blk.0.attn_k.weight", Q4_0, 32, 16)
                .tensor("blk.0.attn_v.weight", Q4_0, 32, 16)
                .tensor("blk.0.attn_output.weight", Q4_0, 32, 32)
                .tensor("blk.0.ffn_norm.weight", F32, 32)
                .tensor("blk.0.ffn_gate.weight", Q4_0, 32, 64)
                .tensor("blk.0.ffn_up.weight", Q4_0, 32, 64)
                .tensor("blk.0.ffn_down.weight", Q4_0, 64, 32)
                .tensor("output_norm.weight", F32, 32);
    }

    GgufBuilder raw(String key, int type, byte[] value) {
        metadata.put(key, joined(u32(type), value));
        return this;
    }

    GgufBuilder text(String key, String value) {
        return raw(key, 8, text(value));
    }

    GgufBuilder u32(String key, int value) {
        return raw(key, 4, u32(value));
    }

    GgufBuilder f32(String key, float value) {
        return raw(key, 6, u32(Float.floatToRawIntBits(value)));
    }

    GgufBuilder texts(String key, String... values) {
        byte[] list = joined(u32(8), u64(values.length));
        for (String value : values) {
            list = joined(list, text(value));
        }
        return raw(key, 9, list);
    }

    GgufBuilder withoutKey(String key) {
        metadata.remove(key);
        return this;
    }

    GgufBuilder tensor(String name, int type, long... extents) {
        long values = 1;
        for (long extent : extents) {
            values *= extent;
        }
        long bytes = switch (type) {
            case Q4_0 -> values / 32 * 18;
            case Q8_0 -> values / 32 * 34;
            default -> values * 4;
        };
        return tensor(name, type, (int) Math.min(bytes, 4096), extents);
    }

    GgufBuilder tensor(String name, int type, int bytes, long[] extents) {
        tensors.put(name, new Stored(type, extents, bytes));
        return this;
    }

    GgufBuilder withoutTensor(String name) {
        tensors.remove(name);
        return this;
    }

    GgufBuilder offset(String name, long offset) {
        offsets.put(name, offset);
        return this;
    }

    GgufBuilder version(int number) {
        version = number;
        return this;
    }

    /** Says that there are so many more keys than there are. */
    GgufBuilder extraKeys(int keys) {
        extraKeys = keys;
        return this;
    }

    GgufBuilder alignment(int bytes) {
        alignment = bytes;
        return this;
    }

    GgufBuilder file(UnaryOperator<byte[]> edit) {
        fileEdit = edit;
        return this;
    }

    byte[] bytes() {
        var head = new ByteArrayOutputStream();
        head.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        head.writeBytes(u32(version));
        head.writeBytes(u64(tensors.size()));
        head.writeBytes(u64(metadata.size() + extraKeys));
        metadata.forEach((key, value) -> head.writeBytes(joined(text(key), value)));
        var data = new ByteArrayOutputStream();
        tensors.forEach((name, stored) -> {
            head.writeBytes(joined(text(name), u32(stored.extents.length)));
            for (long extent : stored.extents) {
                head.writeBytes(u64(extent));
            }
            head.writeBytes(joined(u32(stored.type), u64(offsets.getOrDefault(name, (long) data.size()))));
            data.writeBytes(new byte[stored.bytes]);
            pad(data);
        });
        pad(head);
        return fileEdit.apply(joined(head.toByteArray(), data.toByteArray()));
    }

    private void pad(ByteArrayOutputStream out) {
        while (out.size() % alignment != 0) {
            out.write(0);
        }
    }

    Path write(Path folder) {
        Path path = folder.resolve("model.gguf");
        FolderBuilder.write(path, bytes());
        return path;
    }

    static byte[] u32(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
    }

    static byte[] u64(long value) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }

    static byte[] text(String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        return joined(u64(bytes.length), bytes);
    }

    static byte[] joined(byte[] first, byte[] second) {
        return ByteBuffer.allocate(first.length + second.length)
                .put(first)
                .put(second)
                .array();
    }
}
