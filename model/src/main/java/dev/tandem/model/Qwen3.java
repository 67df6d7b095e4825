package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.util.function.IntConsumer;

/** Qwen3: dense layers, query and key heads normed before the rotary embedding. */
public final class Qwen3 implements Model {
    final Decoder decoder;

    Qwen3(DecoderParts parts) {
        decoder = parts.decoder(parts::headNorms, parts.mlps());
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
