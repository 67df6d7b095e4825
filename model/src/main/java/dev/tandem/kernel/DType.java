package dev.tandem.kernel;

/**
 * How values are stored in memory. Quantised types store blocks of values that share a scale; a row of a tensor is a whole number
 * of blocks. Block formats are those of GGUF (ggml): Q8_0 = f16 scale, 32 int8; Q4_0 = f16 scale, 16 bytes of nibbles (value =
 * scale * (nibble - 8), low nibbles are values 0..15, high nibbles 16..31); Q4_1 = f16 scale, f16 minimum, 16 bytes of nibbles
 * (value = scale * nibble + minimum).
 *
 * <p>To find a format in the code: {@code kernel.scalar.StoredValues} says what its bytes mean, value by value; {@code
 * kernel.vector.VectorWidening} widens many values to float32; {@code kernel.vector.VectorDots} has the loop of decode that multiplies
 * stored rows straight away (I8 has it in {@code kernel.vector.VectorInt8}); {@code checkpoint} knows how files name it. A new format is
 * a constant here and a case of the {@code switch} in each of these, which the compiler asks for.
 */
public enum DType {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    I8(1, 1),
    I32(1, 4),
    Q8_0(32, 34),
    Q4_0(32, 18),
    Q4_1(32, 20);

    private final int blockValues;
    private final int blockBytes;

    DType(int blockValues, int blockBytes) {
        this.blockValues = blockValues;
        this.blockBytes = blockBytes;
    }

    /** Values that share one block; 1 for types that are not quantised in blocks. */
    public int blockValues() {
        return blockValues;
    }

    /** Bytes of one block. */
    public int blockBytes() {
        return blockBytes;
    }

    /**
     * Bytes that {@code values} values take.
     *
     * @throws IllegalArgumentException if they are not a whole number of blocks
     */
    public long bytes(long values) {
        if (values % blockValues != 0) {
            throw new IllegalArgumentException(
                    values + " values are not a whole number of " + this + " blocks of " + blockValues);
        }
        return Math.multiplyExact(values / blockValues, (long) blockBytes);
    }
}
