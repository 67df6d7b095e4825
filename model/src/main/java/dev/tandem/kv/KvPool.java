package dev.tandem.kv;

import dev.tandem.kernel.KvPlaneView;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The KV blocks of one rank in one off-heap arena, one plane after the other, committed lazily by the operating system. Block ids are
 * 0..blockCount-1 and mean the same slot in every plane. Owned by the rank worker; the transfer engine writes into blocks that the
 * engine loop has set aside for it.
 *
 * <pre>
 *   memory: | plane 0: block 0, block 1, ... | plane 1: block 0, block 1, ... | ...
 * </pre>
 */
public final class KvPool implements AutoCloseable {
    private final KvLayout layout;
    private final int blockCount;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory; // [planes][blockCount * blockBytes of the plane]
    private final List<KvPlaneView> planes = new ArrayList<>(); // each [blocks, heads, blockSize, headDim]

    /**
     * Takes the memory.
     *
     * @throws KvMemoryException when the machine does not have that much room
     */
    public KvPool(KvLayout layout, int blockCount) {
        KvSizing.requireAddressable(layout, blockCount);
        this.layout = layout;
        this.blockCount = blockCount;
        this.memory = take(Math.multiplyExact(layout.blockBytes(), (long) blockCount), arena);
        for (int index = 0; index < layout.planes().size(); index++) {
            planes.add(view(index));
        }
    }

    private KvPlaneView view(int planeIndex) {
        KvPlane plane = layout.planes().get(planeIndex);
        MemorySegment blocks = memory.asSlice(planeOffset(planeIndex), layout.blockBytes(planeIndex) * blockCount);
        return new KvPlaneView(plane.dtype(), plane.heads(), plane.headDim(), layout.blockSize(), blocks);
    }

    private static MemorySegment take(long bytes, Arena arena) {
        try {
            return PoolFile.map(bytes, List.of(PoolFile.Place.values()), arena);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
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

    /** Unmaps the memory; a later access through a view throws {@link IllegalStateException}. */
    @Override
    public void close() {
        arena.close();
    }
}
