package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;

/** Inverse frequencies of rotary embeddings, in double precision. Pure. */
public final class RotaryFrequencies {
    /** Keeps a ramp between equal indices from dividing by zero. */
    private static final double NARROWEST_RAMP = 0.001;

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

    /**
     * YaRN's scaling: waves that turn often over the original context stay, long ones are stretched by the factor, those between are blended
     * by their index (transformers {@code _compute_yarn_parameters}, DeepSeek-V3 {@code precompute_freqs_cis}).
     *
     * @param inverse from {@link #plain} with the same theta
     */
    public static double[] yarn(double[] inverse, double theta, YarnScaling scaling) {
        int rotated = 2 * inverse.length;
        double low = Math.max(Math.floor(yarnIndex(scaling.ramp().betaFast(), rotated, theta, scaling)), 0);
        double high = Math.min(Math.ceil(yarnIndex(scaling.ramp().betaSlow(), rotated, theta, scaling)), rotated - 1);
        double width = Math.max(high - low, NARROWEST_RAMP);
        var scaled = new double[inverse.length];
        for (int i = 0; i < inverse.length; i++) {
            double stretch = Math.clamp((i - low) / width, 0, 1);
            scaled[i] = inverse[i] / scaling.factor() * stretch + inverse[i] * (1 - stretch);
        }
        return scaled;
    }

    /** Index of the wave that makes so many turns over the original context. */
    private static double yarnIndex(double turns, int rotated, double theta, YarnScaling scaling) {
        double ratio = scaling.originalPositions() / (turns * 2 * Math.PI);
        return rotated * StrictMath.log(ratio) / (2 * StrictMath.log(theta));
    }

    /** What cosines and sines are multiplied by, at every position. */
    public static double yarnTableFactor(YarnScaling scaling) {
        return magnitude(scaling.mscale(), scaling) / magnitude(scaling.mscaleAllDim(), scaling);
    }

    /** What scores are multiplied by beside the usual scale. */
    public static double yarnScoreFactor(YarnScaling scaling) {
        double magnitude = magnitude(scaling.mscaleAllDim(), scaling);
        return magnitude * magnitude;
    }

    private static double magnitude(double mscale, YarnScaling scaling) {
        return 0.1 * mscale * StrictMath.log(scaling.factor()) + 1;
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
