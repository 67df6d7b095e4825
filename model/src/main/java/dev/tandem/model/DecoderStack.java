package dev.tandem.model;

import dev.tandem.kernel.SelectedPositions;
import dev.tandem.layer.DecoderLayer;
import dev.tandem.layer.Embedding;
import dev.tandem.layer.ExpertChoice;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.ShardedLinear;
import java.util.List;
import java.util.Optional;

/**
 * The layers of a decoder in the order in which rows pass them.
 *
 * @param embedding token ids to the residual stream
 * @param layers decoder layers
 * @param finalNorm before the head
 * @param head [vocabulary of this rank, hidden]
 * @param choices of the running layer
 */
record DecoderStack(
        Embedding embedding, List<DecoderLayer> layers, RmsNorm finalNorm, ShardedLinear head, Choices choices) {
    /**
     * What the running layer has chosen for each row, in buffers that all layers share.
     *
     * @param positions that attention reads, where an indexer chooses them
     * @param experts where layers are mixtures of them
     */
    record Choices(Optional<SelectedPositions> positions, Optional<ExpertChoice> experts) {}

    DecoderStack {
        layers = List.copyOf(layers);
    }
}
