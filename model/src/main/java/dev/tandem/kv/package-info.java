/**
 * KV memory of one rank: the layout of a block, and the pool that holds blocks off the heap. Entry: {@link dev.tandem.kv.KvPool}. The pool's
 * bytes are written by the rank worker and, while a sequence awaits its KV, by the transfer.
 */
package dev.tandem.kv;
