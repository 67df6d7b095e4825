package dev.tandem.transfer.tool;

import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.wire.SegmentDescriptor.Buffer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;

/** Copies between a peer's memory and a stream: {@code tandem transfer read} and {@code write}. */
public final class TransferCopy {
    private static final int CHUNK_BYTES = 4 << 20;
    private static final Duration CHUNK_DEADLINE = Duration.ofSeconds(60);

    private TransferCopy() {}

    /**
     * An address in a peer's memory.
     *
     * @param target segment name
     * @param address first byte
     */
    public record RemoteAddress(String target, long address) {}

    /**
     * @param bytes copied
     * @param isConfirmed false if the peer acknowledges no writes
     */
    public record Copied(long bytes, boolean isConfirmed) {}

    /** Bytes from an address to the end of the peer's buffer around it. */
    public static long bytesBehind(TransferEngine engine, RemoteAddress place) {
        for (Buffer buffer : engine.describe(place.target()).buffers()) {
            long offset = place.address() - buffer.address();
            if (Long.compareUnsigned(offset, buffer.length()) < 0) {
                return buffer.length() - offset;
            }
        }
        throw new IllegalArgumentException(
                "--addr " + Long.toUnsignedString(place.address()) + " is in no buffer of " + place.target());
    }

    /** Reads while it writes the chunk before; fails as the transfer or the stream fails. */
    public static Copied read(TransferEngine engine, RemoteAddress place, long bytes, OutputStream out)
            throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Chunks chunks = new Chunks(arena);
            byte[] heap = new byte[CHUNK_BYTES];
            Transfer next = readChunk(engine, place, 0, chunks.memory(0), bytes);
            for (long at = 0; at < bytes; at += CHUNK_BYTES) {
                int n = (int) next.done().join().bytes();
                MemorySegment arrived = chunks.memory(at);
                next = readChunk(engine, place, at + n, chunks.memory(at + CHUNK_BYTES), bytes);
                try {
                    MemorySegment.copy(arrived, ValueLayout.JAVA_BYTE, 0, heap, 0, n);
                    out.write(heap, 0, n);
                } catch (IOException e) {
                    next.cancel();
                    next.done().exceptionally(cancelled -> null).join(); // its memory goes with the arena
                    throw e;
                }
            }
            out.flush();
            return new Copied(bytes, true);
        }
    }

    /** Writes what the stream gives, at most {@code maxBytes}. */
    public static Copied write(TransferEngine engine, RemoteAddress place, long maxBytes, InputStream in)
            throws IOException {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(CHUNK_BYTES);
            boolean isConfirmed = true;
            long at = 0;
            while (at < maxBytes) {
                byte[] chunk = in.readNBytes((int) Math.min(CHUNK_BYTES, maxBytes - at));
                if (chunk.length == 0) {
                    break;
                }
                MemorySegment.copy(chunk, 0, memory, ValueLayout.JAVA_BYTE, 0, chunk.length);
                SpanBatch spans = new SpanBatch(memory, new long[] {0, place.address() + at, chunk.length});
                isConfirmed &= engine.write(place.target(), spans, CHUNK_DEADLINE)
                        .done()
                        .join()
                        .isConfirmed();
                at += chunk.length;
            }
            return new Copied(at, isConfirmed);
        }
    }

    private static Transfer readChunk(
            TransferEngine engine, RemoteAddress place, long at, MemorySegment memory, long bytes) {
        long chunk = Math.clamp(bytes - at, 0, CHUNK_BYTES);
        return engine.read(
                place.target(), new SpanBatch(memory, new long[] {0, place.address() + at, chunk}), CHUNK_DEADLINE);
    }

    /** Two chunks in turn. */
    private record Chunks(MemorySegment first, MemorySegment second) {
        Chunks(Arena arena) {
            this(arena.allocate(CHUNK_BYTES), arena.allocate(CHUNK_BYTES));
        }

        MemorySegment memory(long at) {
            return at / CHUNK_BYTES % 2 == 0 ? first : second;
        }
    }
}
