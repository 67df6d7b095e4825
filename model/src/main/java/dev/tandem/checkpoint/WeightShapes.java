package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.Attention;
import dev.tandem.checkpoint.ModelConfig.Experts;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/**
 * Names and shapes of the tensors that a model of a configuration consists of: [out, in] for a projection, [n] for a norm. A pure
 * function of the configuration.
 */
public final class WeightShapes {
    private WeightShapes() {}

    /**
     * All of them by name. {@code lm_head.weight} is among them unless the configuration ties embeddings.
     *
     * @param stacksExperts experts of a layer are one tensor [experts, out, in], as in GGUF, not one tensor each
     */
    public static SortedMap<String, List<Integer>> of(ModelConfig config, boolean stacksExperts) {
        var shapes = new TreeMap<String, List<Integer>>();
        forEach(config, stacksExperts, shapes::put);
        return Collections.unmodifiableSortedMap(shapes);
    }

    /** The same one by one, in the order in which a model reads them, so that a visitor can stop at the first that is missing, however many layers a file pretends to have. */
    public static void forEach(ModelConfig config, boolean stacksExperts, BiConsumer<String, List<Integer>> visitor) {
        List<Integer> vocabulary = List.of(config.vocabularySize(), config.hiddenSize());
        visitor.accept("model.embed_tokens.weight", vocabulary);
        for (int layer = 0; layer < config.layers(); layer++) {
            String prefix = "model.layers." + layer + ".";
            attention(config, prefix, visitor);
            if (config.architecture() == Architecture.QWEN3_MOE) {
                Experts experts = config.feedForward().experts().orElseThrow();
                visitor.accept(prefix + "mlp.gate.weight", List.of(experts.count(), config.hiddenSize()));
                experts(config, experts, prefix + "mlp.experts.", stacksExperts, visitor);
            } else {
                int inner = config.feedForward().intermediateSize();
                feedForward(prefix + "mlp.", List.of(), inner, config.hiddenSize(), visitor);
            }
        }
        visitor.accept("model.norm.weight", List.of(config.hiddenSize()));
        if (!config.tiesEmbeddings()) {
            visitor.accept("lm_head.weight", vocabulary);
        }
    }

    private static void attention(ModelConfig config, String prefix, BiConsumer<String, List<Integer>> visitor) {
        Attention attention = config.attention();
        int hidden = config.hiddenSize();
        int queries = attention.heads() * attention.headDim();
        int keys = attention.kvHeads() * attention.headDim();
        visitor.accept(prefix + "input_layernorm.weight", List.of(hidden));
        visitor.accept(prefix + "self_attn.q_proj.weight", List.of(queries, hidden));
        visitor.accept(prefix + "self_attn.k_proj.weight", List.of(keys, hidden));
        visitor.accept(prefix + "self_attn.v_proj.weight", List.of(keys, hidden));
        visitor.accept(prefix + "self_attn.o_proj.weight", List.of(hidden, queries));
        if (attention.normalisesHeads()) {
            visitor.accept(prefix + "self_attn.q_norm.weight", List.of(attention.headDim()));
            visitor.accept(prefix + "self_attn.k_norm.weight", List.of(attention.headDim()));
        }
        visitor.accept(prefix + "post_attention_layernorm.weight", List.of(hidden));
    }

    private static void experts(
            ModelConfig config,
            Experts experts,
            String prefix,
            boolean stacksExperts,
            BiConsumer<String, List<Integer>> visitor) {
        int inner = experts.intermediateSize();
        if (stacksExperts) {
            feedForward(prefix, List.of(experts.count()), inner, config.hiddenSize(), visitor);
            return;
        }
        for (int expert = 0; expert < experts.count(); expert++) {
            feedForward(prefix + expert + ".", List.of(), inner, config.hiddenSize(), visitor);
        }
    }

    private static void feedForward(
            String prefix, List<Integer> stack, int inner, int hidden, BiConsumer<String, List<Integer>> visitor) {
        visitor.accept(prefix + "gate_proj.weight", stacked(stack, inner, hidden));
        visitor.accept(prefix + "up_proj.weight", stacked(stack, inner, hidden));
        visitor.accept(prefix + "down_proj.weight", stacked(stack, hidden, inner));
    }

    private static List<Integer> stacked(List<Integer> stack, int rows, int columns) {
        return stack.isEmpty() ? List.of(rows, columns) : List.of(stack.getFirst(), rows, columns);
    }
}
