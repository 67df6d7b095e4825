package dev.tandem.ops.simulate;

import dev.tandem.model.TokenBatch;

/**
 * How long a step takes, by what it computes: each part of a prompt {@code a + b * tokens + c * tokens²}, all decoding sequences together
 * {@code d + e * sequences + f * KV tokens}.
 *
 * @param promptNs a
 * @param promptTokenNs b
 * @param promptSquareNs c
 * @param decodeNs d
 * @param sequenceNs e
 * @param kvTokenNs f
 */
public record StepCosts(
        double promptNs,
        double promptTokenNs,
        double promptSquareNs,
        double decodeNs,
        double sequenceNs,
        double kvTokenNs) {
    /** Nanoseconds of a step. */
    public long of(TokenBatch batch) {
        double ns = 0;
        int decoding = 0;
        long kvTokens = 0;
        for (TokenBatch.Chunk chunk : batch.chunks()) {
            if (chunk.rows() == 1 && chunk.logitRows() == 1) {
                decoding++;
                kvTokens += chunk.firstPosition();
            } else {
                double tokens = chunk.rows();
                ns += promptNs
                        + promptTokenNs * tokens
                        + promptSquareNs * tokens * (tokens + 2 * chunk.firstPosition());
            }
        }
        if (decoding > 0) {
            ns += decodeNs + sequenceNs * decoding + kvTokenNs * kvTokens;
        }
        return (long) ns;
    }
}
