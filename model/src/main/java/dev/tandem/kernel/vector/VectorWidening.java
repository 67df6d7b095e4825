package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.BYTES;
import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.INTS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;
import static dev.tandem.kernel.vector.VectorWidth.SHORTS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.scalar.StoredValues;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Stored values to float32 a vector at a time; the same values as {@link StoredValues#widen}, which does the tails. One method per type, so
 * that each stays small and has a type profile of its own. Loops count blocks: offsets that are a multiple of the counter lose their
 * bounds checks. Stateless.
 */
final class VectorWidening {
    private static final int BLOCK = 32;
    private static final int HALF = 16;

    private VectorWidening() {}

    /** As {@link StoredValues#widen}. */
    static void widen(DType dtype, MemorySegment data, long rowOffset, float[] out, int outOffset, int count) {
        int blocks = isLoadable(data) ? count / BLOCK : 0;
        int whole = blocks * BLOCK;
        switch (dtype) {
            case F32 -> floats(data, rowOffset, out, outOffset, whole / LANES);
            case F16 -> StoredValues.widenHalves(data, rowOffset, out, outOffset, whole);
            case BF16 -> bfloats(data, rowOffset, out, outOffset, whole / LANES);
            case Q8_0 -> bytes(data, rowOffset, out, outOffset, blocks);
            case Q4_0 -> zeroedNibbles(data, rowOffset, out, outOffset, blocks);
            case Q4_1 -> shiftedNibbles(data, rowOffset, out, outOffset, blocks);
            case I8 -> plainBytes(data, rowOffset, out, outOffset, whole);
            case I32 -> whole = 0;
        }
        if (whole < count) {
            StoredValues.widen(dtype, data, rowOffset + dtype.bytes(whole), out, outOffset + whole, count - whole);
        }
    }

    /** Vector loads take no heap memory but byte arrays; weights and caches are native, only tests use the heap. */
    static boolean isLoadable(MemorySegment data) {
        return data.isNative();
    }

    private static void floats(MemorySegment data, long at, float[] out, int outOffset, int vectors) {
        for (int i = 0; i < vectors; i++) {
            FloatVector.fromMemorySegment(FLOATS, data, at + 4L * LANES * i, LITTLE_ENDIAN)
                    .intoArray(out, outOffset + i * LANES);
        }
    }

    private static void bfloats(MemorySegment data, long at, float[] out, int outOffset, int vectors) {
        for (int i = 0; i < vectors; i++) {
            IntVector stored =
                    (IntVector) ShortVector.fromMemorySegment(SHORTS, data, at + 2L * LANES * i, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            stored.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, outOffset + i * LANES);
        }
    }

    private static void plainBytes(MemorySegment data, long rowOffset, float[] out, int outOffset, int count) {
        if (BYTES.length() != LANES) {
            StoredValues.widen(DType.I8, data, rowOffset, out, outOffset, count);
            return;
        }
        for (int i = 0; i < count / LANES; i++) {
            FloatVector values =
                    (FloatVector) ByteVector.fromMemorySegment(BYTES, data, rowOffset + (long) LANES * i, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, FLOATS, 0);
            values.intoArray(out, outOffset + i * LANES);
        }
    }

    private static void bytes(MemorySegment data, long rowOffset, float[] out, int outOffset, int blocks) {
        if (BYTES.length() != LANES) {
            StoredValues.widen(DType.Q8_0, data, rowOffset, out, outOffset, blocks * BLOCK);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            long at = rowOffset + 34L * b;
            int to = outOffset + b * BLOCK;
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(data.get(StoredValues.SHORT, at)));
            for (int j = 0; j < BLOCK; j += LANES) {
                FloatVector weights = (FloatVector) ByteVector.fromMemorySegment(BYTES, data, at + 2 + j, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.B2F, FLOATS, 0);
                weights.mul(scale).intoArray(out, to + j);
            }
        }
    }

    private static void zeroedNibbles(MemorySegment data, long rowOffset, float[] out, int outOffset, int blocks) {
        if (BYTES.length() != LANES) {
            StoredValues.widen(DType.Q4_0, data, rowOffset, out, outOffset, blocks * BLOCK);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            long at = rowOffset + 18L * b;
            int to = outOffset + b * BLOCK;
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(data.get(StoredValues.SHORT, at)));
            for (int j = 0; j < HALF; j += LANES) {
                IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, data, at + 2 + j, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector low =
                        (FloatVector) pairs.and(0xF).sub(StoredValues.Q4_0_ZERO).convert(VectorOperators.I2F, 0);
                FloatVector high = (FloatVector) pairs.lanewise(VectorOperators.LSHR, 4)
                        .sub(StoredValues.Q4_0_ZERO)
                        .convert(VectorOperators.I2F, 0);
                low.mul(scale).intoArray(out, to + j);
                high.mul(scale).intoArray(out, to + HALF + j);
            }
        }
    }

    private static void shiftedNibbles(MemorySegment data, long rowOffset, float[] out, int outOffset, int blocks) {
        if (BYTES.length() != LANES) {
            StoredValues.widen(DType.Q4_1, data, rowOffset, out, outOffset, blocks * BLOCK);
            return;
        }
        for (int b = 0; b < blocks; b++) {
            long at = rowOffset + 20L * b;
            int to = outOffset + b * BLOCK;
            int halves = data.get(StoredValues.INT, at);
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halves));
            FloatVector minimum = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halves >> 16)));
            for (int j = 0; j < HALF; j += LANES) {
                IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, data, at + 4 + j, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector low = (FloatVector) pairs.and(0xF).convert(VectorOperators.I2F, 0);
                FloatVector high =
                        (FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
                low.fma(scale, minimum).intoArray(out, to + j);
                high.fma(scale, minimum).intoArray(out, to + HALF + j);
            }
        }
    }
}
