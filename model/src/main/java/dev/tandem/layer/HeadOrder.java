package dev.tandem.layer;

/** How the rows of query and key weights lie within a head. */
public enum HeadOrder {
    /** Pair i of the rotary embedding is (i, i + d/2): Hugging Face's order, and that of the KV cache. */
    HALF_SPLIT,
    /** Pair i is (2i, 2i + 1): GGUF files of the architecture llama. */
    INTERLEAVED
}
