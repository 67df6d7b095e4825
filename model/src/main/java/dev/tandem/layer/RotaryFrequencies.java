package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;

/** Inverse frequencies of rotary embeddings, in double precision. Pure. */
public final class RotaryFrequencies {
    private RotaryFrequencies() {}

    /** {@code theta^(-2i/d)} for i < d/2, d the rotated values of a head. */
    public static double[] plain(double theta, int headDim) {
        var inverse = new double[headDim / 2];
        for (int i = 0; i < inverse.length; i++) {
            inverse[i] = StrictMath.pow(theta, -2.0 * i / headDim);
        }
        return inverse;
    }

    /**
     * Llama 3.1's scaling: long waves are stretched by the factor, short ones stay, those between are blended (transformers {@code
     * _compute_llama3_parameters}).
     */
    public static double[] llama3(double[] inverse, Llama3Scaling scaling) {
        var scaled = new double[inverse.length];
        double low = scaling.lowFrequencyFactor();
        double high = scaling.highFrequencyFactor();
        for (int i = 0; i < inverse.length; i++) {
            double turns = scaling.originalPositions() * inverse[i] / (2 * Math.PI); // original / wavelength
            double stretched = inverse[i] / scaling.factor();
            if (turns > high) {
                scaled[i] = inverse[i];
            } else if (turns < low) {
                scaled[i] = stretched;
            } else {
                double smooth = (turns - low) / (high - low);
                scaled[i] = (1 - smooth) * stretched + smooth * inverse[i];
            }
        }
        return scaled;
    }

    /** Factors of a GGUF file's {@code rope_freqs.weight} divide the inverse frequencies. */
    public static double[] divided(double[] inverse, float[] factors) {
        var divided = new double[inverse.length];
        for (int i = 0; i < inverse.length; i++) {
            divided[i] = inverse[i] / factors[i];
        }
        return divided;
    }
}
