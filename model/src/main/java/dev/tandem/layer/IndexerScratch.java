package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Indexer;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;

/**
 * Scratch of lightning indexers, shared by all layers of a rank.
 *
 * @param query [rows, heads * headDim]
 * @param key [rows, headDim]
 * @param headWeights [rows, heads]
 * @param selected positions of the running layer
 */
public record IndexerScratch(Matrix query, Matrix key, Matrix headWeights, SelectedPositions selected) {
    /**
     * Scratch for passes of at most {@code rows} rows.
     *
     * @param maxPositions tokens of the longest sequence
     */
    public static IndexerScratch of(int rows, Indexer indexer, int maxPositions) {
        return new IndexerScratch(
                Matrix.of(rows, indexer.heads() * indexer.headDim()),
                Matrix.of(rows, indexer.headDim()),
                Matrix.of(rows, indexer.heads()),
                new SelectedPositions(rows, Math.min(indexer.topK(), maxPositions)));
    }
}
