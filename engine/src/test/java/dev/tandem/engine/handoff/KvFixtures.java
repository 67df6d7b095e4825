package dev.tandem.engine.handoff;

import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Pools whose every value says which plane, head, token and byte it is, so that a misplaced byte shows. */
public final class KvFixtures {
    public static final int LAYERS = 3;
    private static final int HEADS = 4;

    private KvFixtures() {}

    /** Layers of K and V planes, all heads on one rank. */
    public static KvLayout layout(int blockSize, int layers, int heads, int headDim) {
        return rank(blockSize, layers, headDim, 0, heads, heads);
    }

    /** The same for a rank that holds heads {@code [firstHead, firstHead + heads)}. */
    public static KvLayout rank(int blockSize, int layers, int headDim, int firstHead, int heads, int modelHeads) {
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < layers; layer++) {
            for (String kind : List.of("k.", "v.")) {
                planes.add(new KvPlane(kind + layer, DType.BF16, heads, headDim, firstHead, modelHeads));
            }
        }
        return new KvLayout(blockSize, planes);
    }

    /** Three layers of K and V planes of four heads, by rank of a group. */
    public static List<KvLayout> heads(int tpSize, int blockSize) {
        var layouts = new ArrayList<KvLayout>();
        for (int rank = 0; rank < tpSize; rank++) {
            Shard heads = new Rank(rank, tpSize, 0, 1).shardOfKvHeads(HEADS);
            layouts.add(rank(blockSize, LAYERS, 8, heads.from(), heads.size(), HEADS));
        }
        return layouts;
    }

    /** Three layers of latents, rotary keys and index keys, by rank of a group: each holds the whole. */
    public static List<KvLayout> latents(int tpSize, int blockSize) {
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < LAYERS; layer++) {
            planes.add(new KvPlane("latent." + layer, DType.BF16, 1, 12, 0, 1));
            planes.add(new KvPlane("k_rope." + layer, DType.BF16, 1, 4, 0, 1));
            planes.add(new KvPlane("index.k." + layer, DType.BF16, 1, 6, 0, 1));
        }
        return Collections.nCopies(tpSize, new KvLayout(blockSize, planes));
    }

    /** The byte that plane, head of the model, token and place in the head's row have in a prompt of this seed. */
    public static byte expected(long seed, KvPlane plane, int head, int token, int index) {
        long mixed = seed * 1_000_003L + plane.name().hashCode();
        mixed = (mixed ^ head) * 0x9E3779B97F4A7C15L;
        mixed = (mixed ^ token) * 0xC2B2AE3D27D4EB4FL;
        mixed = (mixed ^ index) * 0x165667B19E3779F9L;
        byte value = (byte) (mixed >>> 56);
        return value == 0 ? 1 : value; // 0 is "never written"
    }

    /** Where a byte lies in one plane of a pool: [blocks, heads, blockSize, headDim]. */
    public static long offset(KvLayout layout, int planeIndex, int blockId, int rankHead, int slot) {
        KvPlane plane = layout.planes().get(planeIndex);
        long row = ((long) blockId * plane.heads() + rankHead) * layout.blockSize() + slot;
        return row * headBytes(plane);
    }

    public static int headBytes(KvPlane plane) {
        return Math.toIntExact(plane.dtype().bytes(plane.headDim()));
    }

    /** Writes tokens {@code [from, to)} of a prompt into a pool. */
    public static void write(KvPool pool, int[] blockIds, int from, int to, long seed) {
        for (int index = 0; index < pool.layout().planes().size(); index++) {
            KvPlane plane = pool.layout().planes().get(index);
            MemorySegment data = pool.plane(index).data();
            for (int token = from; token < to; token++) {
                int block = blockIds[token / pool.layout().blockSize()];
                for (int head = 0; head < plane.heads(); head++) {
                    long at = offset(
                            pool.layout(),
                            index,
                            block,
                            head,
                            token % pool.layout().blockSize());
                    for (int place = 0; place < headBytes(plane); place++) {
                        data.set(
                                ValueLayout.JAVA_BYTE,
                                at + place,
                                expected(seed, plane, plane.firstHead() + head, token, place));
                    }
                }
            }
        }
    }

    /** A copy of all bytes of a pool. */
    public static byte[] snapshot(KvPool pool) {
        return pool.memory().toArray(ValueLayout.JAVA_BYTE);
    }

    /** Blocks in an order in which some follow each other and some do not. */
    public static int[] scattered(int count, int poolBlocks, java.util.random.RandomGenerator random) {
        var ids = new ArrayList<Integer>();
        for (int id = 0; id < poolBlocks; id++) {
            ids.add(id);
        }
        for (int swap = 0; swap < poolBlocks / 2; swap++) {
            Collections.swap(ids, random.nextInt(poolBlocks), random.nextInt(poolBlocks));
        }
        return ids.subList(0, count).stream().mapToInt(Integer::intValue).toArray();
    }
}
