package dev.tandem.kernel.scalar;

import dev.tandem.kernel.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Reads and writes values as {@link DType} stores them, one at a time: the specification of every format. Values are little-endian and
 * need no alignment. Stateless.
 */
public final class StoredValues {
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bytes of the f16 scale that begins a quantised block. */
    public static final int SCALE_BYTES = 2;

    /** What Q4_0 subtracts from a nibble. */
    public static final int Q4_0_ZERO = 8;

    private static final int NIBBLES_HALF = 16;
    private static final int BF16_SHIFT = 16;
    private static final int BF16_QUIET_BIT = 0x40;

    private StoredValues() {}

    /**
     * Widens values {@code 0..count-1} of a row to float32.
     *
     * @param rowOffset bytes from the beginning of {@code data} to the row, at a block boundary
     */
    public static void widen(DType dtype, MemorySegment data, long rowOffset, float[] out, int outOffset, int count) {
        switch (dtype) {
            case F32 -> {
                for (int i = 0; i < count; i++) {
                    out[outOffset + i] = data.get(FLOAT, rowOffset + 4L * i);
                }
            }
            case F16 -> widenHalves(data, rowOffset, out, outOffset, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    out[outOffset + i] = fromBfloat16(data.get(SHORT, rowOffset + 2L * i));
                }
            }
            case I8 -> {
                for (int i = 0; i < count; i++) {
                    out[outOffset + i] = data.get(ValueLayout.JAVA_BYTE, rowOffset + i);
                }
            }
            case I32 -> {
                for (int i = 0; i < count; i++) {
                    out[outOffset + i] = data.get(INT, rowOffset + 4L * i);
                }
            }
            case Q8_0, Q4_0, Q4_1 -> widenBlocks(dtype, data, rowOffset, out, outOffset, count);
        }
    }

    /** A loop of its own, because the compiler turns it into vector conversions, which the Vector API does not have. */
    public static void widenHalves(MemorySegment data, long rowOffset, float[] out, int outOffset, int count) {
        for (int i = 0; i < count; i++) {
            out[outOffset + i] = Float.float16ToFloat(data.get(SHORT, rowOffset + 2L * i));
        }
    }

    private static void widenBlocks(
            DType dtype, MemorySegment data, long rowOffset, float[] out, int outOffset, int count) {
        int blockValues = dtype.blockValues();
        if (count % blockValues != 0) {
            throw new IllegalStateException(count + " values are not whole " + dtype + " blocks");
        }
        for (int block = 0; block < count / blockValues; block++) {
            long at = rowOffset + (long) block * dtype.blockBytes();
            int to = outOffset + block * blockValues;
            float scale = halfAt(data, at);
            for (int i = 0; i < blockValues; i++) {
                out[to + i] = switch (dtype) {
                    case Q8_0 -> scale * data.get(ValueLayout.JAVA_BYTE, at + SCALE_BYTES + i);
                    case Q4_0 -> scale * (nibble(data, at + SCALE_BYTES, i) - Q4_0_ZERO);
                    case Q4_1 -> Math.fma(scale, nibble(data, at + 2 * SCALE_BYTES, i), halfAt(data, at + SCALE_BYTES));
                    default -> throw new IllegalStateException(dtype + " has no blocks");
                };
            }
        }
    }

    private static int nibble(MemorySegment data, long at, int i) {
        int both = data.get(ValueLayout.JAVA_BYTE, at + i % NIBBLES_HALF);
        return i < NIBBLES_HALF ? both & 0xF : both >> 4 & 0xF;
    }

    public static float halfAt(MemorySegment data, long offset) {
        return Float.float16ToFloat(data.get(SHORT, offset));
    }

    /**
     * Rounds values to a cache type, to nearest with ties to even, and stores them one after the other.
     *
     * @throws IllegalStateException if the type is none of F32, F16, BF16
     */
    public static void store(DType dtype, float[] values, int offset, int count, MemorySegment data, long dataOffset) {
        switch (dtype) {
            case F32 -> {
                for (int i = 0; i < count; i++) {
                    data.set(FLOAT, dataOffset + 4L * i, values[offset + i]);
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    data.set(SHORT, dataOffset + 2L * i, Float.floatToFloat16(values[offset + i]));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    data.set(SHORT, dataOffset + 2L * i, toBfloat16(values[offset + i]));
                }
            }
            default -> throw new IllegalStateException("a cache plane cannot be " + dtype);
        }
    }

    public static float fromBfloat16(short stored) {
        return Float.intBitsToFloat(stored << BF16_SHIFT);
    }

    /** Rounds to nearest, ties to even; NaN stays NaN. */
    public static short toBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int rounded = bits + 0x7FFF + (bits >>> BF16_SHIFT & 1);
        int quiet = bits >>> BF16_SHIFT | BF16_QUIET_BIT;
        return (short) (Float.isNaN(value) ? quiet : rounded >>> BF16_SHIFT);
    }
}
