package dev.tandem.layer;

import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.parallel.Collective;
import dev.tandem.parallel.Rank;

/**
 * What every layer of a rank computes with.
 *
 * @param rank where this shard stands
 * @param collective its tensor-parallel group
 * @param kernels operations on tensors
 * @param threads the rank's kernel threads; the rank worker is their only caller
 */
public record RankContext(Rank rank, Collective collective, Kernels kernels, KernelThreads threads) {}
