package dev.tandem.kernel.scalar;

/**
 * The exponential function of all kernels: one formula, the same operations in the same order in scalar and vector code, so that both
 * give the same bits. x is split as {@code n ln 2 + r} with |r| <= ln 2 / 2 (the two-part constant of Cody and Waite), e^r is its Taylor
 * polynomial of degree 7 by Horner with fused multiply-adds, and 2^n enters through the exponent bits.
 *
 * <p>Error below 1.5 ulp. Below {@link #LOWEST} the result is +0 and above {@link #HIGHEST} it is +infinity: it never gives a
 * subnormal. NaN gives NaN.
 */
public final class Exp {
    /** ln of the smallest normal float. */
    public static final float LOWEST = -87.33654f;

    /** Largest argument whose n is 127. */
    public static final float HIGHEST = 88.37f;

    public static final float LOG2_E = 1.442695f;

    /** 1.5 * 2^23: adding it rounds to the nearest whole number, which then stands in the low bits. */
    public static final float ROUNDER = 12582912f;

    public static final int ROUNDER_BITS = 0x4B400000;

    /** ln 2 in two parts, the first with so few bits that n times it is exact. */
    public static final float LN2_HIGH = 0x1.63p-1f;

    public static final float LN2_LOW = -2.12194440e-4f;

    public static final float C7 = 1f / 5040;
    public static final float C6 = 1f / 720;
    public static final float C5 = 1f / 120;
    public static final float C4 = 1f / 24;
    public static final float C3 = 1f / 6;
    public static final float C2 = 0.5f;

    public static final int EXPONENT_BIAS = 127;
    public static final int EXPONENT_SHIFT = 23;

    private Exp() {}

    /** e to the x. */
    public static float of(float x) {
        float shifted = Math.fma(x, LOG2_E, ROUNDER);
        float n = shifted - ROUNDER;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, x));
        float p = Math.fma(C7, r, C6);
        p = Math.fma(p, r, C5);
        p = Math.fma(p, r, C4);
        p = Math.fma(p, r, C3);
        p = Math.fma(p, r, C2);
        p = Math.fma(p, r, 1f);
        p = Math.fma(p, r, 1f);
        int exponent = Float.floatToRawIntBits(shifted) - ROUNDER_BITS + EXPONENT_BIAS;
        float result = p * Float.intBitsToFloat(exponent << EXPONENT_SHIFT);
        result = x < LOWEST ? 0f : result;
        return x > HIGHEST ? Float.POSITIVE_INFINITY : result;
    }
}
