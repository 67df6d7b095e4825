package dev.tandem.kv;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The KV blocks of one rank in one off-heap arena, planes one after the other, committed lazily by the operating system. Block ids are
 * 0..blockCount-1 and mean the same slot in every plane. Owned by the rank worker; the transfer engine writes into blocks that the
 * engine loop has set aside for it.
 */
public final class KvPool implements AutoCloseable {
    private final KvLayout layout;
    private final int blockCount;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    private final List<KvPlaneView> planes = new ArrayList<>();

    public KvPool(KvLayout layout, int blockCount) {
        this.layout = layout;
        this.blockCount = blockCount;
        this.memory = arena.allocate(layout.blockBytes() * blockCount, 64);
        for (int plane = 0; plane < layout.planes().size(); plane++) {
            planes.add(new KvPlaneView(
                    layout.planes().get(plane),
                    layout.blockSize(),
                    memory.asSlice(planeOffset(plane), layout.blockBytes(plane) * blockCount)));
        }
    }

    public KvLayout layout() {
        return layout;
    }

    public int blockCount() {
        return blockCount;
    }

    /** The whole arena: what a transfer engine registers. */
    public MemorySegment memory() {
        return memory;
    }

    /** Where a plane begins in {@link #memory()}. */
    public long planeOffset(int planeIndex) {
        long offset = 0;
        for (int plane = 0; plane < planeIndex; plane++) {
            offset += layout.blockBytes(plane) * blockCount;
        }
        return offset;
    }

    public KvPlaneView plane(int planeIndex) {
        return planes.get(planeIndex);
    }

    @Override
    public void close() {
        arena.close();
    }
}
