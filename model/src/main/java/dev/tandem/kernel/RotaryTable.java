package dev.tandem.kernel;

/**
 * Cosines and sines of a rotary embedding, made once at load with {@link StrictMath} in double precision and rounded to float32, so
 * that two machines agree.
 *
 * @param pairs half the rotated dimensions
 * @param cosines [positions, pairs]
 * @param sines [positions, pairs]
 */
@SuppressWarnings("ArrayRecordComponent") // a table, never compared
public record RotaryTable(int pairs, float[] cosines, float[] sines) {
    /** Tables for positions 0..positions-1 from inverse frequencies [pairs]; cosines and sines are multiplied by {@code factor}. */
    public static RotaryTable of(double[] inverseFrequencies, int positions, double factor) {
        int pairs = inverseFrequencies.length;
        var cosines = new float[Math.multiplyExact(positions, pairs)];
        var sines = new float[cosines.length];
        for (int position = 0; position < positions; position++) {
            for (int i = 0; i < pairs; i++) {
                double angle = position * inverseFrequencies[i];
                cosines[position * pairs + i] = (float) (StrictMath.cos(angle) * factor);
                sines[position * pairs + i] = (float) (StrictMath.sin(angle) * factor);
            }
        }
        return new RotaryTable(pairs, cosines, sines);
    }
}
