package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
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

    /**
     * Visits them one by one, in the order in which a model reads them, so that a visitor can stop at the first that is missing, however
     * many layers a file pretends to have.
     */
    public static void forEach(ModelConfig config, boolean stacksExperts, BiConsumer<String, List<Integer>> visitor) {
        List<Integer> vocabulary = List.of(config.vocabularySize(), config.hiddenSize());
        visitor.accept("model.embed_tokens.weight", vocabulary);
        for (int layer = 0; layer < config.layers(); layer++) {
            String prefix = "model.layers." + layer + ".";
            visitor.accept(prefix + "input_layernorm.weight", List.of(config.hiddenSize()));
            attention(config, prefix + "self_attn.", visitor);
            visitor.accept(prefix + "post_attention_layernorm.weight", List.of(config.hiddenSize()));
            Optional<Experts> experts = config.feedForward().expertsOf(layer);
            if (experts.isPresent()) {
                mixture(config, experts.get(), prefix + "mlp.", stacksExperts, visitor);
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
        switch (config.attention()) {
            case GroupedQuery grouped -> groupedQuery(grouped, config.hiddenSize(), prefix, visitor);
            case Latent latent -> latent(latent, config.hiddenSize(), prefix, visitor);
        }
    }

    private static void groupedQuery(
            GroupedQuery attention, int hidden, String prefix, BiConsumer<String, List<Integer>> visitor) {
        int queries = attention.heads() * attention.headDim();
        int keys = attention.kvHeads() * attention.headDim();
        visitor.accept(prefix + "q_proj.weight", List.of(queries, hidden));
        visitor.accept(prefix + "k_proj.weight", List.of(keys, hidden));
        visitor.accept(prefix + "v_proj.weight", List.of(keys, hidden));
        visitor.accept(prefix + "o_proj.weight", List.of(hidden, queries));
        if (attention.normalisesHeads()) {
            visitor.accept(prefix + "q_norm.weight", List.of(attention.headDim()));
            visitor.accept(prefix + "k_norm.weight", List.of(attention.headDim()));
        }
    }

    private static void latent(Latent attention, int hidden, String prefix, BiConsumer<String, List<Integer>> visitor) {
        LatentSizes sizes = attention.sizes();
        int heads = attention.heads();
        visitor.accept(prefix + "q_a_proj.weight", List.of(sizes.queryRank(), hidden));
        visitor.accept(prefix + "q_a_layernorm.weight", List.of(sizes.queryRank()));
        visitor.accept(prefix + "q_b_proj.weight", List.of(heads * sizes.query(), sizes.queryRank()));
        visitor.accept(prefix + "kv_a_proj_with_mqa.weight", List.of(sizes.cached(), hidden));
        visitor.accept(prefix + "kv_a_layernorm.weight", List.of(sizes.latent()));
        visitor.accept(prefix + "kv_b_proj.weight", List.of(heads * (sizes.plain() + sizes.value()), sizes.latent()));
        visitor.accept(prefix + "o_proj.weight", List.of(hidden, heads * sizes.value()));
        attention.indexer().ifPresent(indexer -> {
            String indexPrefix = prefix + "indexer.";
            int queries = indexer.heads() * indexer.headDim();
            visitor.accept(indexPrefix + "wq_b.weight", List.of(queries, sizes.queryRank()));
            visitor.accept(indexPrefix + "wk.weight", List.of(indexer.headDim(), hidden));
            visitor.accept(indexPrefix + "k_norm.weight", List.of(indexer.headDim()));
            visitor.accept(indexPrefix + "k_norm.bias", List.of(indexer.headDim()));
            visitor.accept(indexPrefix + "weights_proj.weight", List.of(indexer.heads(), hidden));
        });
    }

    private static void mixture(
            ModelConfig config,
            Experts experts,
            String prefix,
            boolean stacksExperts,
            BiConsumer<String, List<Integer>> visitor) {
        visitor.accept(prefix + "gate.weight", List.of(experts.count(), config.hiddenSize()));
        if (experts.routing().scoring() == Scoring.SIGMOID) {
            visitor.accept(prefix + "gate.e_score_correction_bias", List.of(experts.count()));
        }
        experts(config, experts, prefix + "experts.", stacksExperts, visitor);
        int shared = experts.dense().sharedSize();
        if (shared > 0) {
            feedForward(prefix + "shared_experts.", List.of(), shared, config.hiddenSize(), visitor);
        }
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
