package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A row-major tensor over memory that somebody else owns, usually a mapped checkpoint file. Immutable; views share the memory. Sizes are
 * worked out once, since a decode step asks for them hundreds of times.
 */
public final class Tensor implements LinearWeight {
    private final DType dtype;
    private final List<Integer> shape;
    private final MemorySegment data;
    private final int columns;
    private final int rows;
    private final long rowBytes;

    /**
     * A tensor over memory.
     *
     * @param dtype how the values are stored
     * @param shape extents, slowest first: [rows, columns] for a matrix, [experts, rows, columns] for a stack, [n] for a vector
     * @param data exactly {@code dtype.bytes(product of shape)} bytes, little-endian
     */
    public Tensor(DType dtype, List<Integer> shape, MemorySegment data) {
        long expected = dtype.bytes(values(shape));
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException(
                    "a " + dtype + " tensor of shape " + shape + " has " + expected + " bytes, not " + data.byteSize());
        }
        this.dtype = dtype;
        this.shape = List.copyOf(shape);
        this.data = data;
        this.columns = shape.getLast();
        this.rows = columns == 0 ? 0 : Math.toIntExact(values(shape) / columns);
        this.rowBytes = dtype.bytes(columns);
    }

    private static long values(List<Integer> shape) {
        long values = 1;
        for (int extent : shape) {
            values = Math.multiplyExact(values, (long) extent);
        }
        return values;
    }

    public DType dtype() {
        return dtype;
    }

    public List<Integer> shape() {
        return shape;
    }

    public MemorySegment data() {
        return data;
    }

    /** The last extent: values of one row. */
    @Override
    public int columns() {
        return columns;
    }

    /** All rows of the tensor seen as one matrix: the product of all extents but the last. */
    @Override
    public int rows() {
        return rows;
    }

    /** Bytes of one row. */
    public long rowBytes() {
        return rowBytes;
    }

    /** A view of entries {@code from} (inclusive) to {@code to} (exclusive) of the slowest extent. */
    @Override
    public Tensor slice(int from, int to) {
        long entryBytes = data.byteSize() / shape.getFirst();
        var sliced = new ArrayList<>(shape);
        sliced.set(0, to - from);
        return new Tensor(dtype, sliced, data.asSlice(from * entryBytes, (to - from) * entryBytes));
    }

    /** Entry {@code index} of the slowest extent, without that extent: an expert of a stack. */
    public Tensor entry(int index) {
        Tensor one = slice(index, index + 1);
        return new Tensor(dtype, shape.subList(1, shape.size()), one.data);
    }
}
