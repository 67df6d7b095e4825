package dev.tandem.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Hugging Face's names for ggml's. Source: {@code gguf/tensor_mapping.py} of llama.cpp. */
final class GgufNames {
    private static final Pattern BLOCK = Pattern.compile("blk\\.(0|[1-9]\\d{0,5})\\.([a-z_]+)\\.weight");

    private static final Map<String, String> OUTSIDE = Map.of(
            "token_embd.weight", TensorCheck.EMBEDDING,
            "output_norm.weight", "model.norm.weight",
            "output.weight", TensorCheck.HEAD,
            "rope_freqs.weight", Checkpoint.ROTARY_FACTORS);

    private static final Map<String, String> INSIDE = Map.ofEntries(
            Map.entry("attn_norm", "input_layernorm"),
            Map.entry("attn_q", "self_attn.q_proj"),
            Map.entry("attn_k", "self_attn.k_proj"),
            Map.entry("attn_v", "self_attn.v_proj"),
            Map.entry("attn_output", "self_attn.o_proj"),
            Map.entry("attn_q_norm", "self_attn.q_norm"),
            Map.entry("attn_k_norm", "self_attn.k_norm"),
            Map.entry("ffn_norm", "post_attention_layernorm"),
            Map.entry("ffn_gate", "mlp.gate_proj"),
            Map.entry("ffn_up", "mlp.up_proj"),
            Map.entry("ffn_down", "mlp.down_proj"),
            Map.entry("ffn_gate_inp", "mlp.gate"),
            Map.entry("ffn_gate_exps", "mlp.experts.gate_proj"),
            Map.entry("ffn_up_exps", "mlp.experts.up_proj"),
            Map.entry("ffn_down_exps", "mlp.experts.down_proj"));

    private GgufNames() {}

    /** The other name, or nothing for a tensor that no model here reads. */
    static Optional<String> huggingFace(String ggml) {
        Matcher block = BLOCK.matcher(ggml);
        if (!block.matches()) {
            return Optional.ofNullable(OUTSIDE.get(ggml));
        }
        return Optional.ofNullable(INSIDE.get(block.group(2)))
                .map(inside -> "model.layers." + block.group(1) + "." + inside + ".weight");
    }
}
