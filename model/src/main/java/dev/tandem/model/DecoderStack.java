package dev.tandem.model;

import dev.tandem.layer.DecoderLayer;
import dev.tandem.layer.Embedding;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.ShardedLinear;
import java.util.List;

/**
 * The layers of a decoder in the order in which rows pass them.
 *
 * @param embedding token ids to the residual stream
 * @param layers decoder layers
 * @param finalNorm before the head
 * @param head [vocabulary of this rank, hidden]
 */
record DecoderStack(Embedding embedding, List<DecoderLayer> layers, RmsNorm finalNorm, ShardedLinear head) {
    DecoderStack {
        layers = List.copyOf(layers);
    }
}
