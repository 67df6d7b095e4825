package dev.tandem.layer;

import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.Collective;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.util.Optional;

/**
 * What every layer of a rank computes with.
 *
 * @param rank place of this shard
 * @param collective its tensor-parallel group
 * @param kernels operations on tensors, on the rank's kernel threads; the rank worker is their only caller
 * @param experts with expert parallelism the way to the ranks that own the experts; empty where each group has all experts, cut like
 *     any other layer
 */
public record RankContext(Rank rank, Collective collective, Kernels kernels, Optional<ExpertExchange> experts) {
    /** The only rank of a deployment. */
    public static RankContext single(Kernels kernels) {
        return new RankContext(Rank.SINGLE, TensorGroup.single().member(0), kernels, Optional.empty());
    }

    /** This rank with experts that live elsewhere. */
    public RankContext withExperts(ExpertExchange exchange) {
        return new RankContext(rank, collective, kernels, Optional.of(exchange));
    }

    /** {@code x += y}: how the halves of a decoder layer join the residual stream. Both are [rows, hidden]. */
    public void add(Matrix x, GatherBuffer y, int rows) {
        kernels.add(x, y.whole(), rows);
    }
}
