package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
import java.util.Optional;

/** Inverse frequencies of rotary embeddings, in double precision. Pure. */
public final class RotaryFrequencies {
    /** Keeps a ramp between equal indices from dividing by zero. */
    private static final double NARROWEST_RAMP = 0.001;

    private RotaryFrequencies() {}

    /**
     * The inverse frequencies that a model's configuration asks for.
     *
     * @param rotated values of a head that are turned
     * @return [rotated / 2]
     */
    public static double[] of(Rope rope, int rotated) {
        double[] plain = plain(rope.theta(), rotated);
        if (rope.scaling().isEmpty()) {
            return plain;
        }
        return switch (rope.scaling().get()) {
            case Llama3Scaling llama3 -> llama3(plain, llama3);
            case YarnScaling yarn -> yarn(plain, rope.theta(), yarn);
        };
    }

    /** What a model's cosines and sines are multiplied by. */
    public static double tableFactor(Rope rope) {
        return yarnOf(rope).map(RotaryFrequencies::yarnTableFactor).orElse(1.0);
    }

    /** What a model's attention scores are multiplied by, beside the usual scale. */
    public static double scoreFactor(Rope rope) {
        return yarnOf(rope).map(RotaryFrequencies::yarnScoreFactor).orElse(1.0);
    }

    private static Optional<YarnScaling> yarnOf(Rope rope) {
        return rope.scaling().filter(YarnScaling.class::isInstance).map(YarnScaling.class::cast);
    }

    /** {@code theta^(-2i/d)} for i < d/2, where d is how many values of a head are turned (RoFormer, arXiv:2104.09864, section 3.2.2). */
    static double[] plain(double theta, int rotated) {
        var inverse = new double[rotated / 2]; // [rotated / 2]
        for (int i = 0; i < inverse.length; i++) {
            inverse[i] = StrictMath.pow(theta, -2.0 * i / rotated);
        }
        return inverse;
    }

    /**
     * Llama 3.1's scaling: long waves are stretched by the factor, short ones stay as they are, and those between are blended
     * (transformers, {@code _compute_llama3_parameters}).
     *
     * @param inverse [rotated / 2] from {@link #plain}
     */
    static double[] llama3(double[] inverse, Llama3Scaling scaling) {
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
     * YaRN's scaling: waves that turn often over the original context stay as they are, long ones are stretched by the factor, and those
     * between are blended by their index (arXiv:2309.00071, section 3.2; transformers, {@code _compute_yarn_parameters}; DeepSeek-V3,
     * {@code precompute_freqs_cis}).
     *
     * @param inverse [rotated / 2] from {@link #plain} with the same theta
     */
    static double[] yarn(double[] inverse, double theta, YarnScaling scaling) {
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

    /** What YaRN multiplies cosines and sines by, at every position. */
    static double yarnTableFactor(YarnScaling scaling) {
        return magnitude(scaling.mscale(), scaling) / magnitude(scaling.mscaleAllDim(), scaling);
    }

    /** What YaRN multiplies scores by, beside the usual scale. */
    static double yarnScoreFactor(YarnScaling scaling) {
        double magnitude = magnitude(scaling.mscaleAllDim(), scaling);
        return magnitude * magnitude;
    }

    /** {@code 0.1 m ln(factor) + 1} (YaRN, arXiv:2309.00071, section 3.4, with DeepSeek's factor m). */
    private static double magnitude(double mscale, YarnScaling scaling) {
        return 0.1 * mscale * StrictMath.log(scaling.factor()) + 1;
    }

    /**
     * Divides inverse frequencies by the factors of a GGUF file's {@code rope_freqs.weight}.
     *
     * @param inverse [rotated / 2]
     * @param factors [rotated / 2]
     */
    public static double[] divided(double[] inverse, float[] factors) {
        var divided = new double[inverse.length];
        for (int i = 0; i < inverse.length; i++) {
            divided[i] = inverse[i] / factors[i];
        }
        return divided;
    }
}
