package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * DeepSeek-V3 and V3.2: latent attention, over positions that an indexer chooses in V3.2; first layers dense, the others mixtures of experts
 * beside a shared one.
 */
public final class DeepSeek implements Model {
    final Decoder decoder;

    /** Positions that the rows of the last attention read, where an indexer chose them, for tests. */
    final Optional<SelectedPositions> selected;

    DeepSeek(DecoderParts parts) {
        LatentParts attentions = parts.latentAttentions();
        decoder = parts.latentDecoder(attentions);
        selected = attentions.selected();
    }

    @Override
    public ModelConfig config() {
        return decoder.config();
    }

    @Override
    public KvLayout kvLayout(int blockSize, DType kvDtype) {
        return decoder.kvLayout(blockSize, kvDtype);
    }

    @Override
    public Matrix forward(TokenBatch batch, KvPool pool, IntConsumer afterLayer) {
        return decoder.forward(batch, pool, afterLayer);
    }

    @Override
    public void close() {}
}
