package dev.tandem.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** Writes a small Hugging Face folder, sound or damaged as a test asks. */
final class FolderBuilder {
    static final String Q_PROJ = "model.layers.0.self_attn.q_proj.weight";
    static final String NORM = "model.norm.weight";

    /** Four of it make the float 0.0115. */
    private static final int SCALE_BYTE = 0x3c;

    private final Map<String, String> config = new LinkedHashMap<>();
    private final Map<String, String> generation = new LinkedHashMap<>();
    private final Map<String, Stored> tensors = new LinkedHashMap<>();
    private final Map<String, String> entries = new LinkedHashMap<>();
    private final Map<String, String> described = new LinkedHashMap<>();
    private String weightsFile = "model.safetensors";
    private UnaryOperator<String> headerEdit = header -> header;
    private UnaryOperator<byte[]> fileEdit = file -> file;

    private record Stored(String dtype, List<Integer> shape, int fill) {
        int bytes() {
            int valueBytes = switch (dtype) {
                case "F32", "I32" -> 4;
                case "I8" -> 1;
                default -> 2;
            };
            return shape.stream().reduce(valueBytes, (a, b) -> a * b);
        }
    }

    private FolderBuilder() {}

    /** One layer of width 8, 2 heads over 1, inner width 12, vocabulary 16, untied. */
    static FolderBuilder aLlama() {
        return new FolderBuilder()
                .config("architectures", "[\"LlamaForCausalLM\"]")
                .config("model_type", "\"llama\"")
                .dense();
    }

    static FolderBuilder aQwen3() {
        return new FolderBuilder()
                .config("architectures", "[\"Qwen3ForCausalLM\"]")
                .config("model_type", "\"qwen3\"")
                .config("head_dim", "4")
                .dense()
                .tensor("model.layers.0.self_attn.q_norm.weight", "BF16", 4)
                .tensor("model.layers.0.self_attn.k_norm.weight", "BF16", 4);
    }

    /** Qwen3 as ModelSlim leaves it: attention static, feed-forward dynamic. */
    static FolderBuilder aQuantisedQwen3() {
        FolderBuilder builder = aQwen3();
        builder.weightsFile = "quant_model_weights.safetensors";
        builder.described("model_quant_type", "\"W8A8\"").described("version", "\"1.0.0\"");
        for (String name : List.copyOf(builder.tensors.keySet())) {
            if (name.contains("self_attn") && name.endsWith("_proj.weight")) {
                builder.quantiseStatic(name);
            } else if (name.contains("mlp")) {
                builder.quantiseDynamic(name);
            } else {
                builder.described(name, "\"FLOAT\"");
            }
        }
        return builder;
    }

    private void quantiseStatic(String name) {
        int outputs = tensors.get(name).shape.getFirst();
        int8(name, "W8A8");
        beside(name, "input_scale", "F32", "W8A8", SCALE_BYTE, 1);
        beside(name, "input_offset", "F32", "W8A8", 0, 1);
        beside(name, "deq_scale", "F32", "W8A8", SCALE_BYTE, outputs);
        beside(name, "quant_bias", "I32", "W8A8", 0, outputs);
    }

    private void quantiseDynamic(String name) {
        int outputs = tensors.get(name).shape.getFirst();
        int8(name, "W8A8_DYNAMIC");
        beside(name, "weight_scale", "F32", "W8A8_DYNAMIC", SCALE_BYTE, outputs, 1);
        beside(name, "weight_offset", "F32", "W8A8_DYNAMIC", 0, outputs, 1);
    }

    private void int8(String name, String scheme) {
        tensors.computeIfPresent(name, (key, stored) -> new Stored("I8", stored.shape, 0x0302_fe01));
        described(name, "\"" + scheme + "\"");
    }

    private void beside(String weight, String part, String dtype, String scheme, int fill, Integer... shape) {
        String name = Quantization.beside(weight, part);
        tensors.put(name, new Stored(dtype, List.of(shape), fill * 0x0101_0101));
        described(name, "\"" + scheme + "\"");
    }

    /** A key of quant_model_description.json. */
    FolderBuilder described(String key, String json) {
        described.put(key, json);
        return this;
    }

    FolderBuilder withoutDescribed(String key) {
        described.remove(key);
        return this;
    }

    FolderBuilder weightsFile(String name) {
        weightsFile = name;
        return this;
    }

    /** Two layers of width 8, the first dense; 2 heads, latents of 6 and 4; 4 experts in 2 groups beside a shared one. */
    static FolderBuilder aDeepSeek() {
        var folder = new FolderBuilder()
                .config("architectures", "[\"DeepseekV3ForCausalLM\"]")
                .config("model_type", "\"deepseek_v3\"")
                .config("hidden_size", "8")
                .config("num_hidden_layers", "2")
                .config("num_attention_heads", "2")
                .config("num_key_value_heads", "2")
                .config("intermediate_size", "12")
                .config("vocab_size", "16")
                .config("max_position_embeddings", "64")
                .config("rms_norm_eps", "1e-06")
                .config("q_lora_rank", "6")
                .config("kv_lora_rank", "4")
                .config("qk_nope_head_dim", "3")
                .config("qk_rope_head_dim", "2")
                .config("v_head_dim", "5")
                .config("moe_intermediate_size", "3")
                .config("n_routed_experts", "4")
                .config("n_shared_experts", "1")
                .config("num_experts_per_tok", "2")
                .config("n_group", "2")
                .config("topk_group", "1")
                .config("norm_topk_prob", "true")
                .config("scoring_func", "\"sigmoid\"")
                .config("topk_method", "\"noaux_tc\"")
                .config("routed_scaling_factor", "2.5")
                .config("first_k_dense_replace", "1")
                .tensor("model.embed_tokens.weight", "BF16", 16, 8)
                .tensor(NORM, "BF16", 8)
                .tensor("lm_head.weight", "BF16", 16, 8)
                .latentLayer("model.layers.0.")
                .swiGlu("model.layers.0.mlp.", 12)
                .latentLayer("model.layers.1.")
                .swiGlu("model.layers.1.mlp.shared_experts.", 3)
                .tensor("model.layers.1.mlp.gate.weight", "BF16", 4, 8)
                .tensor("model.layers.1.mlp.gate.e_score_correction_bias", "F32", 4);
        for (int expert = 0; expert < 4; expert++) {
            folder.swiGlu("model.layers.1.mlp.experts." + expert + ".", 3);
        }
        return folder;
    }

    private FolderBuilder latentLayer(String prefix) {
        return tensor(prefix + "input_layernorm.weight", "BF16", 8)
                .tensor(prefix + "self_attn.q_a_proj.weight", "BF16", 6, 8)
                .tensor(prefix + "self_attn.q_a_layernorm.weight", "BF16", 6)
                .tensor(prefix + "self_attn.q_b_proj.weight", "BF16", 10, 6)
                .tensor(prefix + "self_attn.kv_a_proj_with_mqa.weight", "BF16", 6, 8)
                .tensor(prefix + "self_attn.kv_a_layernorm.weight", "BF16", 4)
                .tensor(prefix + "self_attn.kv_b_proj.weight", "BF16", 16, 4)
                .tensor(prefix + "self_attn.o_proj.weight", "BF16", 8, 10)
                .tensor(prefix + "post_attention_layernorm.weight", "BF16", 8);
    }

    private FolderBuilder swiGlu(String prefix, int inner) {
        return tensor(prefix + "gate_proj.weight", "BF16", inner, 8)
                .tensor(prefix + "up_proj.weight", "BF16", inner, 8)
                .tensor(prefix + "down_proj.weight", "BF16", 8, inner);
    }

    /** The same with an indexer of 3 heads of 4 that chooses 7 positions. */
    static FolderBuilder aSparseDeepSeek() {
        FolderBuilder folder = aDeepSeek()
                .config("architectures", "[\"DeepseekV32ForCausalLM\"]")
                .config("model_type", "\"deepseek_v32\"")
                .config("index_n_heads", "3")
                .config("index_head_dim", "4")
                .config("index_topk", "7");
        for (int layer = 0; layer < 2; layer++) {
            String prefix = "model.layers." + layer + ".self_attn.indexer.";
            folder.tensor(prefix + "wq_b.weight", "BF16", 12, 6)
                    .tensor(prefix + "wk.weight", "BF16", 4, 8)
                    .tensor(prefix + "k_norm.weight", "F32", 4)
                    .tensor(prefix + "k_norm.bias", "F32", 4)
                    .tensor(prefix + "weights_proj.weight", "BF16", 3, 8);
        }
        return folder;
    }

    private FolderBuilder dense() {
        return config("hidden_size", "8")
                .config("num_hidden_layers", "1")
                .config("num_attention_heads", "2")
                .config("num_key_value_heads", "1")
                .config("intermediate_size", "12")
                .config("vocab_size", "16")
                .config("max_position_embeddings", "64")
                .config("rms_norm_eps", "1e-05")
                .tensor("model.embed_tokens.weight", "BF16", 16, 8)
                .tensor("model.layers.0.input_layernorm.weight", "BF16", 8)
                .tensor(Q_PROJ, "BF16", 8, 8)
                .tensor("model.layers.0.self_attn.k_proj.weight", "BF16", 4, 8)
                .tensor("model.layers.0.self_attn.v_proj.weight", "BF16", 4, 8)
                .tensor("model.layers.0.self_attn.o_proj.weight", "BF16", 8, 8)
                .tensor("model.layers.0.post_attention_layernorm.weight", "BF16", 8)
                .tensor("model.layers.0.mlp.gate_proj.weight", "BF16", 12, 8)
                .tensor("model.layers.0.mlp.up_proj.weight", "BF16", 12, 8)
                .tensor("model.layers.0.mlp.down_proj.weight", "BF16", 8, 12)
                .tensor(NORM, "BF16", 8)
                .tensor("lm_head.weight", "BF16", 16, 8);
    }

    FolderBuilder config(String key, String json) {
        config.put(key, json);
        return this;
    }

    FolderBuilder withoutConfig(String key) {
        config.remove(key);
        return this;
    }

    FolderBuilder generation(String key, String json) {
        generation.put(key, json);
        return this;
    }

    FolderBuilder tensor(String name, String dtype, Integer... shape) {
        tensors.put(name, new Stored(dtype, List.of(shape), 0));
        return this;
    }

    FolderBuilder filled(String name, int fill) {
        return filledWithInts(name, fill * 0x0101_0101);
    }

    /** The same with four bytes, over and over. */
    FolderBuilder filledWithInts(String name, int fill) {
        tensors.computeIfPresent(name, (key, stored) -> new Stored(stored.dtype, stored.shape, fill));
        return this;
    }

    FolderBuilder withoutTensor(String name) {
        tensors.remove(name);
        return this;
    }

    /** What the header says of a tensor, in place of the truth; the data stays. */
    FolderBuilder entry(String name, String json) {
        entries.put(name, json);
        return this;
    }

    FolderBuilder header(UnaryOperator<String> edit) {
        headerEdit = edit;
        return this;
    }

    FolderBuilder file(UnaryOperator<byte[]> edit) {
        fileEdit = edit;
        return this;
    }

    Path write(Path folder) {
        writeConfig(folder);
        write(folder.resolve(weightsFile), fileEdit.apply(file(tensors)));
        return folder;
    }

    /** Embedding and head in the second file, all others in the first. */
    Path writeSharded(Path folder, UnaryOperator<String> indexEdit) {
        writeConfig(folder);
        String first = "model-00001-of-00002.safetensors";
        String second = "model-00002-of-00002.safetensors";
        var shards = new LinkedHashMap<String, Map<String, Stored>>();
        tensors.forEach((name, stored) -> shards.computeIfAbsent(
                        name.contains("layers") ? first : second, key -> new LinkedHashMap<>())
                .put(name, stored));
        var places = new ArrayList<String>();
        shards.forEach((file, held) -> {
            write(folder.resolve(file), fileEdit.apply(file(held)));
            new TreeSet<>(held.keySet()).forEach(name -> places.add("\"" + name + "\": \"" + file + "\""));
        });
        String index = "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {" + String.join(", ", places) + "}}";
        write(folder.resolve("model.safetensors.index.json"), bytes(indexEdit.apply(index)));
        return folder;
    }

    private void writeConfig(Path folder) {
        write(folder.resolve("config.json"), bytes(object(config)));
        if (!generation.isEmpty()) {
            write(folder.resolve("generation_config.json"), bytes(object(generation)));
        }
        if (!described.isEmpty()) {
            write(folder.resolve("quant_model_description.json"), bytes(object(described)));
        }
    }

    private static String object(Map<String, String> values) {
        return values.entrySet().stream()
                .map(entry -> "\"" + entry.getKey() + "\": " + entry.getValue())
                .collect(Collectors.joining(", ", "{", "}"));
    }

    private byte[] file(Map<String, Stored> held) {
        var header = new LinkedHashMap<String, String>();
        header.put("__metadata__", "{\"format\": \"pt\"}");
        int end = 0;
        for (var entry : held.entrySet()) {
            Stored stored = entry.getValue();
            int begin = end;
            end += stored.bytes();
            header.put(
                    entry.getKey(),
                    entries.getOrDefault(
                            entry.getKey(),
                            "{\"dtype\": \"%s\", \"shape\": %s, \"data_offsets\": [%d, %d]}"
                                    .formatted(stored.dtype, stored.shape, begin, end)));
        }
        byte[] json = bytes(headerEdit.apply(object(header)));
        int padded = (json.length + 7) / 8 * 8;
        ByteBuffer file = ByteBuffer.allocate(8 + padded + end).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(padded).put(json).put(" ".repeat(padded - json.length).getBytes(StandardCharsets.US_ASCII));
        for (Stored stored : held.values()) {
            for (int i = 0; i < stored.bytes(); i++) {
                file.put((byte) (stored.fill >> 8 * (i % 4)));
            }
        }
        return file.array();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void write(Path path, byte[] bytes) {
        try {
            Files.write(path, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
