package dev.tandem.checkpoint;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/**
 * Where a file says that a tensor lies.
 *
 * @param name the file's name for it
 * @param dtype stored type
 * @param shape extents, slowest first, each at least 1
 * @param begin first byte, counted from the start of the file's data part
 * @param end the byte after the last
 */
record TensorSpan(String name, DType dtype, List<Integer> shape, long begin, long end) {
    /** Most extents of a tensor, as in GGUF. */
    static final int MAX_EXTENTS = 4;

    /** Bytes of a tensor of this type and shape; refuses extents below 1, overflow, and rows that are not a whole number of blocks. */
    static long bytes(Path file, String name, DType dtype, List<Integer> shape) {
        if (shape.isEmpty() || shape.size() > MAX_EXTENTS) {
            throw CheckpointException.refuse(file, "tensor " + name, "1 to " + MAX_EXTENTS + " extents", shape);
        }
        long values = 1;
        for (int extent : shape) {
            if (extent < 1) {
                throw CheckpointException.refuse(file, "tensor " + name, "extents of at least 1", shape);
            }
            if (values > Long.MAX_VALUE / Integer.BYTES / extent) {
                throw CheckpointException.refuse(file, "tensor " + name, "a size that fits 63 bits", shape);
            }
            values *= extent;
        }
        if (shape.getLast() % dtype.blockValues() != 0) {
            throw CheckpointException.refuse(
                    file, "tensor " + name, "rows of whole " + dtype + " blocks of " + dtype.blockValues(), shape);
        }
        return dtype.bytes(values);
    }

    /**
     * Refuses spans that overlap, leave gaps, or do not fill the data part to its end.
     *
     * @param alignment every tensor begins at the first multiple of it after its predecessor
     * @param dataBytes size of the data part; it may end with padding to the alignment
     */
    static void requireContiguous(Path file, List<TensorSpan> spans, long alignment, long dataBytes) {
        var sorted = spans.stream()
                .sorted(Comparator.comparingLong(TensorSpan::begin))
                .toList();
        for (TensorSpan span : sorted) {
            if (span.end > dataBytes) {
                throw CheckpointException.refuse(
                        file, "tensor " + span.name, "an end within " + dataBytes + " bytes of data", span.end);
            }
        }
        long end = 0;
        String before = "the beginning of the data";
        for (TensorSpan span : sorted) {
            long due = Math.ceilDiv(end, alignment) * alignment;
            if (span.begin != due) {
                throw CheckpointException.refuse(
                        file,
                        "tensor " + span.name,
                        "offset " + due + " (after " + before + ")",
                        "offset " + span.begin + (span.begin < end ? ", an overlap" : ""));
            }
            end = span.end;
            before = span.name;
        }
        if (dataBytes > Math.ceilDiv(end, alignment) * alignment) {
            throw CheckpointException.refuse(
                    file, "data", end + " bytes (the end of " + before + ")", dataBytes + " bytes");
        }
    }

    /** The tensor as a view of the file's data part. */
    Tensor in(MemorySegment data) {
        return new Tensor(dtype, shape, data.asSlice(begin, end - begin));
    }
}
