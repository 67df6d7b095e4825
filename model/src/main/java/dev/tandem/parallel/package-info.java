/**
 * Where a shard stands among the ranks of its group and how ranks exchange activations. Entry: {@link dev.tandem.parallel.Rank}.
 * Used by rank workers only.
 */
package dev.tandem.parallel;
