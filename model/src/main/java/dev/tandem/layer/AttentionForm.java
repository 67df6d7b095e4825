package dev.tandem.layer;

/**
 * What an attention layer works on.
 *
 * @param layer index of the layer: its keys are plane {@code 2 * layer} of the pool, its values the next
 * @param heads this rank's heads
 * @param order how the checkpoint's query and key rows lie
 */
public record AttentionForm(int layer, HeadShards heads, HeadOrder order) {}
