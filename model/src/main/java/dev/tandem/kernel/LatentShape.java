package dev.tandem.kernel;

/**
 * Heads of one latent attention on this rank.
 *
 * @param heads query heads; all read the same latents and rotary keys
 * @param latent values of a cached latent, and of a head's result
 * @param rotary values of a cached rotary key
 * @param scale factor on the finished dot product
 */
public record LatentShape(int heads, int latent, int rotary, float scale) {
    /** Values of one query head: what meets the latent, then what meets the rotary key. */
    public int query() {
        return latent + rotary;
    }
}
