package dev.tandem.quantize;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.scalar.Int8Rows;
import dev.tandem.kernel.scalar.StoredValues;
import java.lang.foreign.MemorySegment;

/**
 * Float weights to int8, symmetric, one scale per output: {@code scale = max(max |w| / 127, 1e-12)} rounded to the type in which it is
 * stored, {@code q = clamp(round(w / scale), -128, 127)} with ties to even. A scale that was rounded down may need -128 or be short of
 * the largest weight by half a step. Source: the recipe of fixtures/golden/README.md. Stateless.
 */
final class Int8Rounding {
    private static final float SMALLEST_SCALE = 1e-12f;

    private Int8Rounding() {}

    /**
     * The scale of one row; NaN where a weight is not finite.
     *
     * @param storedType F32 or BF16
     */
    static float scale(float[] row, int count, DType storedType) {
        float largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Math.abs(row[i]));
        }
        float scale = Math.max(largest / Int8Rows.LEVELS, SMALLEST_SCALE);
        if (!Float.isFinite(scale)) {
            return Float.NaN;
        }
        return switch (storedType) {
            case F32 -> scale;
            case BF16 -> StoredValues.fromBfloat16(StoredValues.toBfloat16(scale));
            default -> throw new IllegalArgumentException("scales cannot be stored as " + storedType);
        };
    }

    /** Rounds one row with its scale. */
    static void round(float[] row, int count, float scale, byte[] q) {
        for (int i = 0; i < count; i++) {
            float value = Math.min(Math.max(row[i] / scale, Int8Rows.LOWEST), Int8Rows.HIGHEST);
            q[i] = (byte) Math.rint(value);
        }
    }

    /** Writes scales as they are stored. */
    static void store(DType storedType, float[] scales, MemorySegment data) {
        StoredValues.store(storedType, scales, 0, scales.length, data, 0);
    }
}
