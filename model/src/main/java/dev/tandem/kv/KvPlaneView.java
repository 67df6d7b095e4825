package dev.tandem.kv;

import java.lang.foreign.MemorySegment;

/**
 * One plane of a pool, as kernels see it.
 *
 * @param plane what it holds
 * @param blockSize tokens a block
 * @param data [blocks, heads, blockSize, headDim]
 */
public record KvPlaneView(KvPlane plane, int blockSize, MemorySegment data) {}
