package dev.tandem.kv;

import java.util.List;

/**
 * The bytes of KV memory, described once for the model, the pool and the handoff. A block holds {@code blockSize} tokens; in plane p,
 * block b occupies {@code [b * blockBytes(p), (b+1) * blockBytes(p))} of that plane, laid out as [heads, blockSize, headDim].
 *
 * @param blockSize tokens per block
 * @param planes in the order in which they are registered and advertised
 */
public record KvLayout(int blockSize, List<KvPlane> planes) {
    public KvLayout {
        planes = List.copyOf(planes);
        if (blockSize < 1) {
            throw new IllegalArgumentException("block size " + blockSize + " is below 1");
        }
    }

    /** Bytes of one block in one plane. */
    public long blockBytes(int planeIndex) {
        return planes.get(planeIndex).tokenBytes() * blockSize;
    }

    /** Bytes of one block in all planes. */
    public long blockBytes() {
        return tokenBytes() * blockSize;
    }

    /** KV bytes of one token on this rank. */
    public long tokenBytes() {
        long bytes = 0;
        for (KvPlane plane : planes) {
            bytes += plane.tokenBytes();
        }
        return bytes;
    }

    /** Blocks that {@code tokens} tokens need. */
    public int blocksFor(int tokens) {
        return Math.ceilDiv(tokens, blockSize);
    }
}
