package dev.tandem.kernel.scalar;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.Int8Weight.StaticInput;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;

/** Random operands from a seed; tensors lie in native memory as mapped checkpoints do. */
public final class TestData {
    private final Random random;
    private final Arena arena = Arena.ofAuto();

    public TestData(long seed) {
        this.random = new Random(seed);
    }

    public Matrix matrix(int rows, int columns) {
        Matrix matrix = Matrix.of(rows, columns);
        fill(matrix.values());
        return matrix;
    }

    public void fill(float[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
    }

    /** Random values in any stored type; quantised blocks get random scales, minima and bytes. */
    public Tensor tensor(DType dtype, Integer... shape) {
        int values = Arrays.stream(shape).reduce(1, Math::multiplyExact);
        MemorySegment data = arena.allocate(dtype.bytes(values), 64);
        long blocks = values / dtype.blockValues();
        for (long block = 0; block < blocks; block++) {
            long at = block * dtype.blockBytes();
            for (long i = 0; i < dtype.blockBytes(); i++) {
                data.set(ValueLayout.JAVA_BYTE, at + i, (byte) random.nextInt());
            }
            writeFloats(dtype, data, at);
        }
        return new Tensor(dtype, Arrays.asList(shape), data);
    }

    /** Random int8 values with scales of an awkward size: bf16 for static inputs, f32 for dynamic ones. */
    public Int8Weight int8(boolean isStatic, int outputs, int columns) {
        Tensor values = tensor(DType.I8, outputs, columns);
        if (!isStatic) {
            return new Int8Weight(values, tensor(DType.F32, outputs, 1), Optional.empty());
        }
        Tensor bias = tensor(DType.I32, outputs);
        for (int i = 0; i < outputs; i++) {
            int most = Int8Weight.largestBias(columns);
            bias.data().set(StoredValues.INT, 4L * i, random.nextInt(-most, most));
        }
        return new Int8Weight(values, tensor(DType.BF16, outputs), Optional.of(new StaticInput(0.0317f, -17f, bias)));
    }

    private void writeFloats(DType dtype, MemorySegment data, long at) {
        float value = (float) random.nextGaussian();
        switch (dtype) {
            case F32 -> data.set(StoredValues.FLOAT, at, value);
            case F16, Q8_0, Q4_0 -> data.set(StoredValues.SHORT, at, Float.floatToFloat16(value));
            case BF16 -> data.set(StoredValues.SHORT, at, StoredValues.toBfloat16(value));
            case Q4_1 -> {
                data.set(StoredValues.SHORT, at, Float.floatToFloat16(value));
                data.set(StoredValues.SHORT, at + 2, Float.floatToFloat16((float) random.nextGaussian()));
            }
            case I8, I32 -> {}
        }
    }

    public MemorySegment memory(long bytes) {
        return arena.allocate(bytes, 64);
    }

    public int[] permutation(int count) {
        int[] ids = IntStream.range(0, count).toArray();
        for (int i = count - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int held = ids[i];
            ids[i] = ids[j];
            ids[j] = held;
        }
        return ids;
    }

    public static float[] row(Matrix matrix, int row) {
        return Arrays.copyOfRange(matrix.values(), matrix.offset(row), matrix.offset(row + 1));
    }
}
