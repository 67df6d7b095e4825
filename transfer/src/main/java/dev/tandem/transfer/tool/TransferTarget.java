package dev.tandem.transfer.tool;

import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import tools.jackson.databind.json.JsonMapper;

/** One registered buffer, zero at first, that peers may read and write: {@code tandem transfer target}. */
public final class TransferTarget implements AutoCloseable {
    private static final long PAGE_BYTES = 4096;

    private final Arena arena = Arena.ofShared();
    private final TransferEngine engine;
    private final MemorySegment memory;

    private TransferTarget(TransferEngine engine, long bytes) {
        this.engine = engine;
        this.memory = arena.allocate(bytes, PAGE_BYTES);
        engine.register(memory);
    }

    /** @param bytes size of the buffer, at least 1 */
    public static TransferTarget open(TransferConfig config, long bytes) {
        if (bytes < 1) {
            throw new IllegalArgumentException("--size " + bytes + " is below 1");
        }
        return new TransferTarget(TransferEngine.start(config), bytes);
    }

    /** What peers see. */
    public MemorySegment memory() {
        return memory;
    }

    public TransferEngine engine() {
        return engine;
    }

    /** One line without its end: {@code {"target":"127.0.0.1:15001","addr":140000000000000,"size":65536}}. */
    public String toJson() {
        JsonMapper json = JsonMapper.shared();
        return json.writeValueAsString(json.createObjectNode()
                .put("target", engine.segmentName())
                .put("addr", memory.address())
                .put("size", memory.byteSize()));
    }

    /** Serves until the stream ends: the parent has closed our standard input, or died. */
    public static void awaitEnd(InputStream stop) throws IOException {
        byte[] ignored = new byte[256];
        while (stop.read(ignored) >= 0) {
            // what comes is of no interest, only that it ends
        }
    }

    @Override
    public void close() {
        engine.close(); // nobody touches the memory after this
        arena.close();
    }
}
