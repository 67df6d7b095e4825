package dev.tandem.engine.cache;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Names the content of one full block and of all blocks before it: SHA-256 over the hash of the block before and this block's token
 * ids. All 256 bits are kept: equal hashes are taken for equal prefixes without looking at the tokens again, so they must not
 * collide even for prompts made to collide.
 */
public record BlockHash(long first, long second, long third, long fourth) {
    /** What stands before the first block. */
    static final BlockHash ROOT = new BlockHash(0, 0, 0, 0);

    @Override
    public int hashCode() {
        return Long.hashCode(first); // already uniform
    }

    /** Makes hashes with one digest and one buffer. Owned by the engine loop. */
    static final class Maker {
        private final MessageDigest digest;
        private final ByteBuffer input;

        /** @param blockSize tokens per block */
        Maker(int blockSize) {
            this.input = ByteBuffer.allocate(4 * Long.BYTES + blockSize * Integer.BYTES);
            try {
                this.digest = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException impossible) {
                throw new IllegalStateException("every Java platform has SHA-256", impossible);
            }
        }

        /** Hash of the block whose tokens are {@code tokens[from, from + blockSize)}, behind the block called {@code before}. */
        BlockHash next(BlockHash before, int[] tokens, int from) {
            input.clear();
            input.putLong(before.first)
                    .putLong(before.second)
                    .putLong(before.third)
                    .putLong(before.fourth);
            for (int i = from; input.hasRemaining(); i++) {
                input.putInt(tokens[i]);
            }
            ByteBuffer hash = ByteBuffer.wrap(digest.digest(input.array()));
            return new BlockHash(hash.getLong(), hash.getLong(), hash.getLong(), hash.getLong());
        }
    }
}
