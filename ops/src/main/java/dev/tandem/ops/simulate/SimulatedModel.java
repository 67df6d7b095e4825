package dev.tandem.ops.simulate;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.model.TokenBatch;
import dev.tandem.model.TokenBatch.Chunk;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A model that computes nothing but tells at once when it was given wrong KV: what it writes at a position, in each layer, plane and head, is a
 * digest of the token, of the position and of what stands at the position before it; the next token is a hash of all that stands in the pool
 * for the sequence. So one block that is foreign, torn, late or missing gives another token than {@link #expected}, which reads no memory.
 */
public final class SimulatedModel {
    /** Token ids are below it. */
    public static final int VOCABULARY = 251;

    /** Ends a text. */
    public static final int END_TOKEN = 250;

    static final int LAYERS = 3;
    private static final int HEADS = 2;
    private static final int HEAD_DIM = 2; // one digest of 64 bits
    private static final String[] KINDS = {"k", "v"};
    private static final ValueLayout.OfLong DIGEST = ValueLayout.JAVA_LONG_UNALIGNED;

    private final List<KvPool> pools; // [tensor ranks]
    private final int blockSize;

    /** @param pools of {@link #layout}, by rank */
    public SimulatedModel(List<KvPool> pools) {
        this.pools = List.copyOf(pools);
        this.blockSize = pools.getFirst().layout().blockSize();
    }

    /** Vocabulary and end token are its own; the rest is as small as can be. */
    public static ModelConfig config() {
        var none = new ModelConfig.GenerationDefaults(
                Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());
        return new ModelConfig(
                ModelConfig.Architecture.LLAMA,
                LAYERS,
                0,
                1,
                VOCABULARY,
                4096,
                1e-5f,
                true,
                DType.F32,
                new ModelConfig.GroupedQuery(
                        HEADS, HEADS, HEAD_DIM, false, new ModelConfig.Rope(10_000, Optional.empty())),
                new ModelConfig.FeedForward(1, Optional.empty()),
                new ModelConfig.Tokens(Optional.empty(), List.of(END_TOKEN), none));
    }

    /** How one rank lays KV out; heads are cut over at most {@value #HEADS} ranks. */
    public static KvLayout layout(int rank, int ranks, int blockSize) {
        int heads = HEADS / ranks;
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < LAYERS; layer++) {
            for (String kind : KINDS) {
                planes.add(new KvPlane(kind + "." + layer, DType.I32, heads, HEAD_DIM, rank * heads, HEADS));
            }
        }
        return new KvLayout(blockSize, planes);
    }

    /** Writes one layer of a batch on all ranks. */
    public void write(TokenBatch batch, int layer) {
        int row = 0;
        for (Chunk chunk : batch.chunks()) {
            for (int i = 0; i < chunk.rows(); i++) {
                write(chunk.blockIds(), chunk.firstPosition() + i, batch.tokenIds()[row++], layer);
            }
        }
    }

    private void write(int[] blockIds, int position, int token, int layer) {
        for (int kind = 0; kind < KINDS.length; kind++) {
            int plane = layer * KINDS.length + kind;
            for (int head = 0; head < HEADS; head++) {
                long before = position == 0 ? 0 : read(blockIds, position - 1, plane, head);
                long digest = digest(before, token, position, plane * HEADS + head);
                KvPool pool = poolOf(head);
                pool.plane(plane).data().set(DIGEST, offset(pool, plane, head, blockIds, position), digest);
            }
        }
    }

    /** The next token of each sequence that wants one, as a matrix that is 1 there. */
    public Matrix logits(TokenBatch batch) {
        Matrix logits = Matrix.of(Math.max(1, batch.logitRows()), VOCABULARY);
        int row = 0;
        for (Chunk chunk : batch.chunks()) {
            if (chunk.logitRows() == 1) {
                logits.values()[logits.offset(row++) + token(chunk)] = 1;
            }
        }
        return logits;
    }

    private int token(Chunk chunk) {
        long hash = 0;
        for (int position = 0; position < chunk.firstPosition() + chunk.rows(); position++) {
            for (int plane = 0; plane < LAYERS * KINDS.length; plane++) {
                for (int head = 0; head < HEADS; head++) {
                    hash = mix(hash + read(chunk.blockIds(), position, plane, head));
                }
            }
        }
        return (int) Long.remainderUnsigned(hash, VOCABULARY);
    }

    private long read(int[] blockIds, int position, int plane, int head) {
        KvPool pool = poolOf(head);
        return pool.plane(plane).data().get(DIGEST, offset(pool, plane, head, blockIds, position));
    }

    private KvPool poolOf(int head) {
        return pools.get(head * pools.size() / HEADS);
    }

    private long offset(KvPool pool, int planeIndex, int head, int[] blockIds, int position) {
        KvPlane plane = pool.layout().planes().get(planeIndex);
        long block = blockIds[position / blockSize];
        long slot = (block * plane.heads() + head - plane.firstHead()) * blockSize + position % blockSize;
        return slot * plane.dtype().bytes(HEAD_DIM);
    }

    /** What follows a prompt: up to so many tokens, the end token the last if it comes. */
    public static int[] expected(int[] prompt, int maxTokens) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + maxTokens);
        var last = new long[LAYERS * KINDS.length * HEADS];
        long hash = 0;
        for (int position = 0; ; position++) {
            for (int place = 0; place < last.length; place++) {
                last[place] = digest(last[place], tokens[position], position, place);
                hash = mix(hash + last[place]);
            }
            int next = position + 1;
            if (next == tokens.length) {
                return Arrays.copyOfRange(tokens, prompt.length, next);
            }
            if (next >= prompt.length) {
                tokens[next] = (int) Long.remainderUnsigned(hash, VOCABULARY);
                if (tokens[next] == END_TOKEN) {
                    return Arrays.copyOfRange(tokens, prompt.length, next + 1);
                }
            }
        }
    }

    private static long digest(long before, int token, int position, int place) {
        return mix(before * 31 + mix(((long) token << 40) + ((long) position << 8) + place));
    }

    /** Finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
    private static long mix(long value) {
        long mixed = (value ^ (value >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}
