package dev.tandem.layer;

import java.util.Optional;

/**
 * What a latent attention layer works on.
 *
 * @param firstPlane the pool's plane of this layer's latents; the next one has the rotary keys
 * @param heads this rank's heads
 * @param scale factor on scores
 * @param indexer present where rows attend to chosen positions only
 */
public record LatentForm(int firstPlane, LatentHeads heads, float scale, Optional<LightningIndexer> indexer) {}
