package dev.tandem.kernel;

/**
 * Which sequence and position each row of a batch belongs to: one entry per row.
 *
 * @param count rows
 * @param positions position of row r in its sequence; it reads positions 0..positions[r]
 * @param blockTables block ids of row r's sequence; rows of one sequence share the array object, so that a kernel can take them together
 * @param blockSize tokens per block
 */
@SuppressWarnings("ArrayRecordComponent") // buffers of one step, never compared
public record AttentionRows(int count, int[] positions, int[][] blockTables, int blockSize) {}
