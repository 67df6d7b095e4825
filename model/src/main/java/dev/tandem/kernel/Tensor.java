package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A row-major tensor over memory that somebody else owns, usually a mapped checkpoint file. Immutable; views share the memory.
 *
 * @param dtype how the values are stored
 * @param shape extents, slowest first: [rows, columns] for a matrix, [experts, rows, columns] for a stack, [n] for a vector
 * @param data exactly {@code dtype.bytes(product of shape)} bytes, little-endian
 */
public record Tensor(DType dtype, List<Integer> shape, MemorySegment data) {
    public Tensor {
        shape = List.copyOf(shape);
        long expected = dtype.bytes(values(shape));
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException(
                    "a " + dtype + " tensor of shape " + shape + " has " + expected + " bytes, not " + data.byteSize());
        }
    }

    private static long values(List<Integer> shape) {
        long values = 1;
        for (int i = 0; i < shape.size(); i++) { // by index: an iterator would be garbage in every decode step
            values = Math.multiplyExact(values, (long) shape.get(i));
        }
        return values;
    }

    /** The last extent: values of one row. */
    public int columns() {
        return shape.getLast();
    }

    /** All rows of the tensor seen as one matrix: the product of all extents but the last. */
    public int rows() {
        return Math.toIntExact(values(shape) / columns());
    }

    /** Bytes of one row. */
    public long rowBytes() {
        return dtype.bytes(columns());
    }

    /** A view of entries {@code from} (inclusive) to {@code to} (exclusive) of the slowest extent. */
    public Tensor slice(int from, int to) {
        long entryBytes = data.byteSize() / shape.getFirst();
        var sliced = new java.util.ArrayList<>(shape);
        sliced.set(0, to - from);
        return new Tensor(dtype, sliced, data.asSlice(from * entryBytes, (to - from) * entryBytes));
    }

    /** Entry {@code index} of the slowest extent, without that extent: an expert of a stack. */
    public Tensor entry(int index) {
        Tensor one = slice(index, index + 1);
        return new Tensor(dtype, shape.subList(1, shape.size()), one.data);
    }
}
