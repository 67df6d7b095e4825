package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Tensor;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The tensors of a checkpoint while a graph is built over them. The checkpoint has refused missing, misshapen and surplus tensors
 * already; this holds the graph against the checkpoint: every tensor must find its reader.
 */
final class Weights {
    private final Checkpoint checkpoint;
    private final Set<String> read = new HashSet<>();

    Weights(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    Tensor tensor(String name) {
        return find(name)
                .orElseThrow(() -> new IllegalStateException("the checkpoint let a graph through without " + name));
    }

    Optional<Tensor> find(String name) {
        read.add(name);
        return Optional.ofNullable(checkpoint.tensors().get(name));
    }

    /** A linear weight, with the scales that belong to it where it is quantised. */
    LinearWeight linear(String name) {
        return checkpoint
                .quantization()
                .map(quantization -> quantization.linear(name, this::find))
                .orElseGet(() -> tensor(name));
    }

    /** A tensor that the graph silently left out would be a wrong answer later. */
    void requireAllRead() {
        var unread = new TreeSet<>(checkpoint.tensors().keySet());
        unread.removeAll(read);
        if (!unread.isEmpty()) {
            throw new IllegalStateException("the graph reads nothing of " + unread);
        }
    }
}
