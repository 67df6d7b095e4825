package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.CheckpointException;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A model's view of its checkpoint while it is built: every tensor is asked for with the shape that the graph needs, and what nobody
 * asked for is refused at the end.
 */
final class Weights {
    private static final Set<DType> MATRIX_TYPES =
            EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0, DType.Q4_1);
    private static final Set<DType> VECTOR_TYPES = EnumSet.of(DType.F32, DType.F16, DType.BF16);

    private final Checkpoint checkpoint;
    private final Set<String> read = new HashSet<>();

    Weights(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    boolean has(String name) {
        return checkpoint.tensors().containsKey(name);
    }

    /** A weight of a linear layer or an embedding. */
    Tensor matrix(String name, int rows, int columns) {
        return tensor(name, List.of(rows, columns), MATRIX_TYPES);
    }

    /** Weights of all experts on top of each other. */
    Tensor stack(String name, int entries, int rows, int columns) {
        return tensor(name, List.of(entries, rows, columns), MATRIX_TYPES);
    }

    /** A norm's weight or a table of factors. */
    Tensor vector(String name, int values) {
        return tensor(name, List.of(values), VECTOR_TYPES);
    }

    private Tensor tensor(String name, List<Integer> shape, Set<DType> types) {
        Tensor tensor = checkpoint.tensors().get(name);
        if (tensor == null) {
            throw new CheckpointException(
                    "tensor " + name + " of shape " + shape + " is missing in " + checkpoint.files().keySet());
        }
        if (!tensor.shape().equals(shape) || !types.contains(tensor.dtype())) {
            throw new CheckpointException("tensor " + name + " is " + tensor.dtype() + " " + tensor.shape()
                    + ", expected one of " + types + " " + shape);
        }
        read.add(name);
        return tensor;
    }

    /**
     * Refuses tensors that the graph has not asked for: a norm's bias or a layer that is silently left out would be a wrong answer later.
     */
    void requireAllRead() {
        var unread = new ArrayList<String>();
        for (String name : checkpoint.tensors().keySet()) {
            if (!read.contains(name) && !isIgnorable(name)) {
                unread.add(name);
            }
        }
        if (!unread.isEmpty()) {
            throw new CheckpointException(unread.size() + " tensors are read by nothing in this graph: "
                    + String.join(", ", unread.subList(0, Math.min(unread.size(), 8))));
        }
    }

    /** Frequencies are computed from the configuration; a tied head is the embedding, whatever a copy of it says. */
    private boolean isIgnorable(String name) {
        return name.endsWith(".rotary_emb.inv_freq")
                || (name.equals("lm_head.weight") && checkpoint.config().tiesEmbeddings());
    }
}
