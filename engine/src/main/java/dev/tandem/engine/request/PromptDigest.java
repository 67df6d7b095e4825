package dev.tandem.engine.request;

/**
 * A few characters that tell two prompts apart: the number of tokens and a hash over their ids. Prefill and decode node make their own
 * tokens of a request's text; where tokenizers or chat templates differ, KV of one prompt would be decoded as another's. Pure.
 */
public final class PromptDigest {
    private static final long PRIME = 0x100000001B3L; // FNV-1a, 64 bits
    private static final long BASIS = 0xCBF29CE484222325L;

    private PromptDigest() {}

    public static String of(int[] tokenIds) {
        long hash = BASIS;
        for (int id : tokenIds) {
            for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
                hash = (hash ^ (id >>> shift & 0xFF)) * PRIME;
            }
        }
        return tokenIds.length + "-" + Long.toHexString(hash);
    }
}
