/**
 * Who owns which KV block: reference counts, the list of free blocks, the prefix cache over them, and the block table of one sequence.
 * Knows block ids and token ids, never their bytes. Entry: {@link dev.tandem.engine.cache.BlockManager}. Everything here belongs to the
 * engine loop.
 */
package dev.tandem.engine.cache;
