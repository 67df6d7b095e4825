package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;

/**
 * One plane of a pool of KV blocks, as kernels see it: memory and its shape, nothing of pools or layouts.
 *
 * @param dtype stored type
 * @param heads heads on this rank; 1 for planes without heads
 * @param headDim values per token and head
 * @param blockSize tokens per block
 * @param data [blocks, heads, blockSize, headDim]
 */
public record KvPlaneView(DType dtype, int heads, int headDim, int blockSize, MemorySegment data) {}
