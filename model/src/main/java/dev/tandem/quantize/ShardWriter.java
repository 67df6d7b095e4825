package dev.tandem.quantize;

import dev.tandem.checkpoint.CheckpointException;
import dev.tandem.checkpoint.Quantization;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.Tensor;
import dev.tandem.quantize.ShardPlan.Place;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** Writes one file, a tensor at a time; a row is the most that is held as floats. Owned by the quantiser. */
final class ShardWriter implements AutoCloseable {
    /** Bytes that go to the file at a time. */
    private static final int CHUNK_BYTES = 1 << 20;

    private final ShardPlan plan;
    private final FileChannel channel;
    private final Kernels kernels;
    private final ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);

    ShardWriter(OutputFolder folder, ShardPlan plan, Kernels kernels) throws IOException {
        this.plan = plan;
        this.kernels = kernels;
        this.channel = folder.open(plan.file());
        OutputFolder.writeFully(channel, 0, plan.header().duplicate());
    }

    /** Writes a tensor as it is. */
    void copy(String name, Tensor tensor) throws IOException {
        long offset = place(name).offset();
        long bytes = tensor.data().byteSize();
        for (long at = 0; at < bytes; at += CHUNK_BYTES) {
            MemorySegment part = tensor.data().asSlice(at, Math.min(CHUNK_BYTES, bytes - at));
            OutputFolder.writeFully(channel, offset + at, part.asByteBuffer());
        }
    }

    /**
     * Writes a projection as int8, with its scales and offsets.
     *
     * @throws CheckpointException when a weight is not finite
     */
    void quantise(String name, Tensor tensor, DType scaleType, ErrorSum errors) throws IOException {
        int columns = tensor.columns();
        var row = new float[columns];
        var q = new byte[columns];
        var scales = new float[tensor.rows()];
        long at = place(name).offset();
        for (int o = 0; o < tensor.rows(); o++) {
            MemorySegment stored = tensor.data().asSlice(o * tensor.rowBytes(), tensor.rowBytes());
            kernels.widen(tensor.dtype(), stored, row, columns);
            scales[o] = Int8Rounding.scale(row, columns, scaleType);
            if (Float.isNaN(scales[o])) {
                throw new CheckpointException("tensor " + name + ": expected finite weights, found others in row " + o);
            }
            Int8Rounding.round(row, columns, scales[o], q);
            errors.add(row, q, columns, scales[o]);
            at = append(q, at);
        }
        flush(at);
        writeScales(name, scales, scaleType);
    }

    /** Collects bytes that follow each other in the file; returns where those in the chunk begin. */
    private long append(byte[] bytes, long at) throws IOException {
        long begin = at;
        int done = 0;
        while (done < bytes.length) {
            int count = Math.min(chunk.remaining(), bytes.length - done);
            chunk.put(bytes, done, count);
            done += count;
            if (!chunk.hasRemaining()) {
                begin = flush(begin);
            }
        }
        return begin;
    }

    /** Writes the chunk; returns where the next one begins. */
    private long flush(long at) throws IOException {
        chunk.flip();
        int count = chunk.remaining();
        OutputFolder.writeFully(channel, at, chunk);
        chunk.clear();
        return at + count;
    }

    private void writeScales(String weight, float[] scales, DType scaleType) throws IOException {
        var bytes = new byte[Math.toIntExact(scaleType.bytes(scales.length))];
        Int8Rounding.store(scaleType, scales, MemorySegment.ofArray(bytes));
        long scalesAt = place(Quantization.beside(weight, "weight_scale")).offset();
        OutputFolder.writeFully(channel, scalesAt, ByteBuffer.wrap(bytes));
        long offsetsAt = place(Quantization.beside(weight, "weight_offset")).offset();
        OutputFolder.writeFully(channel, offsetsAt, ByteBuffer.allocate(bytes.length));
    }

    private Place place(String name) {
        Place place = plan.places().get(name);
        if (place == null) {
            throw new IllegalStateException(plan.file() + " has no place for " + name);
        }
        return place;
    }

    /** What was written is on the disk afterwards. */
    @Override
    public void close() throws IOException {
        try (channel) {
            channel.force(true);
        }
    }
}
