package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Tensor;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.ShardedLinear;
import dev.tandem.layer.SwiGluWeights;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The tensors of a checkpoint by their names, and the layers that are made of one tensor, while a graph is built for one rank. The
 * checkpoint has refused missing, misshapen and surplus tensors already; this class holds the graph against the checkpoint: every tensor
 * must find its reader.
 */
final class Weights {
    private final Checkpoint checkpoint;
    private final RankContext context;
    private final String prefix;
    private final Set<String> read;

    Weights(Checkpoint checkpoint, RankContext context) {
        this(checkpoint, context, "", new HashSet<>());
    }

    private Weights(Checkpoint checkpoint, RankContext context, String prefix, Set<String> read) {
        this.checkpoint = checkpoint;
        this.context = context;
        this.prefix = prefix;
        this.read = read;
    }

    ModelConfig config() {
        return checkpoint.config();
    }

    /** Whether query and key rows lie so that rotary pairs are neighbours, see {@link Checkpoint#permutesRotaryRows}. */
    boolean permutesRotaryRows() {
        return checkpoint.permutesRotaryRows();
    }

    /** The weights of one decoder layer, whose names begin with {@code model.layers.} and its index. */
    Weights layer(int index) {
        return in("model.layers." + index + ".");
    }

    /** The weights whose names begin with a further prefix. */
    Weights in(String further) {
        return new Weights(checkpoint, context, prefix + further, read);
    }

    Tensor tensor(String name) {
        return find(name)
                .orElseThrow(
                        () -> new IllegalStateException("the checkpoint let a graph through without " + prefix + name));
    }

    Optional<Tensor> find(String name) {
        return findWhole(prefix + name);
    }

    private Optional<Tensor> findWhole(String name) {
        read.add(name);
        return Optional.ofNullable(checkpoint.tensors().get(name));
    }

    /** A linear weight, with the scales that belong to it where it is quantised: [outputs, inputs]. */
    LinearWeight linear(String name) {
        return checkpoint
                .quantization()
                .map(quantization -> quantization.linear(prefix + name, this::findWhole))
                .orElseGet(() -> tensor(name));
    }

    /** A linear layer of which every rank computes an equal part of the outputs. */
    ShardedLinear sharded(String name) {
        return ShardedLinear.byRank(context, linear(name));
    }

    /** A linear layer that every rank computes whole. */
    ShardedLinear replicated(String name) {
        return ShardedLinear.replicated(context, linear(name));
    }

    /** An RMS norm with the model's usual epsilon. */
    RmsNorm norm(String name) {
        return norm(name, checkpoint.config().normEpsilon());
    }

    RmsNorm norm(String name, float epsilon) {
        return new RmsNorm(context, tensor(name), epsilon);
    }

    /** A dense feed-forward layer. */
    SwiGluWeights swiGlu(String further) {
        Weights mlp = in(further);
        return new SwiGluWeights(
                mlp.linear("gate_proj.weight"), mlp.linear("up_proj.weight"), mlp.linear("down_proj.weight"));
    }

    /** The experts of a layer. Hugging Face has three tensors per expert, GGUF three stacks per layer: [experts, outputs, inputs]. */
    List<SwiGluWeights> experts(String further, int count) {
        Weights all = in(further);
        var experts = new ArrayList<SwiGluWeights>();
        boolean isStacked = all.find("gate_proj.weight").isPresent();
        for (int expert = 0; expert < count; expert++) {
            experts.add(isStacked ? all.ofStack(expert) : all.swiGlu(expert + "."));
        }
        return experts;
    }

    private SwiGluWeights ofStack(int expert) {
        return new SwiGluWeights(
                tensor("gate_proj.weight").entry(expert),
                tensor("up_proj.weight").entry(expert),
                tensor("down_proj.weight").entry(expert));
    }

    /** Refuses a graph that leaves tensors out: silently left out, they would be a wrong answer later. */
    void requireAllRead() {
        var unread = new TreeSet<>(checkpoint.tensors().keySet());
        unread.removeAll(read);
        if (!unread.isEmpty()) {
            throw new IllegalStateException("the graph reads nothing of " + unread);
        }
    }
}
