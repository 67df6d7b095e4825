package dev.tandem.engine.sample;

/**
 * Randomness as a pure function of (seed, position), so that preemption, replay and a move to another node draw the same number for
 * the same token. SplitMix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), applied to the
 * seed and then to seed and position, so that neighbouring seeds share nothing.
 */
public final class PositionRandom {
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private PositionRandom() {}

    /**
     * Uniform in [0, 1), 53 bits.
     *
     * @param position index of the token among the output tokens
     */
    public static double uniform(long seed, int position) {
        long bits = mix(mix(seed) + GOLDEN_GAMMA * (position + 1L));
        return (bits >>> 11) * 0x1p-53;
    }

    /** The {@code index}-th seed of a stream of seeds. */
    public static long seed(long base, long index) {
        return mix(mix(base) + GOLDEN_GAMMA * (index + 1));
    }

    private static long mix(long value) {
        long z = value;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
