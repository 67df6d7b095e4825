package dev.tandem.layer;

import dev.tandem.kernel.Kernels;
import dev.tandem.parallel.Collective;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.util.Optional;

/**
 * What every layer of a rank computes with.
 *
 * @param rank where this shard stands
 * @param collective its tensor-parallel group
 * @param kernels operations on tensors, on the rank's kernel threads; the rank worker is their only caller
 * @param experts with expert parallelism the way to the ranks that own the experts; without it each group has all experts, cut like
 *     any other layer
 */
public record RankContext(Rank rank, Collective collective, Kernels kernels, Optional<ExpertExchange> experts) {
    /** The only rank of a deployment. */
    public static RankContext single(Kernels kernels) {
        return new RankContext(Rank.SINGLE, TensorGroup.single().member(0), kernels, Optional.empty());
    }

    /** The same rank with experts that live elsewhere. */
    public RankContext withExperts(ExpertExchange exchange) {
        return new RankContext(rank, collective, kernels, Optional.of(exchange));
    }
}
