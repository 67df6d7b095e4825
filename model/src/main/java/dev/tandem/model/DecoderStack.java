package dev.tandem.model;

import dev.tandem.kernel.SelectedPositions;
import dev.tandem.layer.DecoderLayer;
import dev.tandem.layer.Embedding;
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
 * @param selected positions that the attention of all layers reads, where an indexer chooses them
 */
record DecoderStack(
        Embedding embedding,
        List<DecoderLayer> layers,
        RmsNorm finalNorm,
        ShardedLinear head,
        Optional<SelectedPositions> selected) {
    DecoderStack {
        layers = List.copyOf(layers);
    }
}
