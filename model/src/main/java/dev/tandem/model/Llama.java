package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.util.function.IntConsumer;

/** Llama 2 and 3, and what has their shape (SmolLM2): dense layers, heads as projected. */
public final class Llama implements Model {
    final Decoder decoder;

    Llama(DecoderParts parts) {
        decoder = parts.decoder(parts::noHeadNorms, parts.mlps());
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
