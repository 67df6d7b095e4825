package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.parallel.ExpertRows;

/**
 * Scratch of expert-parallel layers, shared by all layers of a rank.
 *
 * @param rows what is sent to experts
 */
public record RemoteExpertScratch(RoutingScratch routing, ExpertRows rows) {
    /** What the rows of the running layer choose. */
    public ExpertChoice choice() {
        return routing.choice();
    }

    /**
     * Scratch for passes of at most {@code rows} rows.
     *
     * @param tpSize ranks that share the rows
     */
    public static RemoteExpertScratch of(int tpSize, int rows, int hiddenSize, Experts experts) {
        int share = (rows + tpSize - 1) / tpSize;
        return new RemoteExpertScratch(
                RoutingScratch.of(rows, experts),
                new ExpertRows(share * experts.active(), hiddenSize, experts.count()));
    }
}
