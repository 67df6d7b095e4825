package dev.tandem.engine.cluster.channel;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The first bytes of a frame; integers are little-endian.
 *
 * <pre>
 *    0         4         5      6        8              12               12 + n
 *    +---------+---------+------+--------+---------------+----------------+
 *    | "TNDM"  | framing | kind | zero   | body bytes n  | body           |
 *    +---------+---------+------+--------+---------------+----------------+
 * </pre>
 *
 * <p>Framing is 1. What bodies mean is the business of the protocol version in {@link FrameKind#HELLO}, whose number comes first there, so
 * that versions that differ can still say so.
 *
 * @param kind what the body is
 * @param bodyBytes its length
 */
record FrameHeader(FrameKind kind, int bodyBytes) {
    static final int BYTES = 12;

    private static final int MAGIC = 'T' | 'N' << 8 | 'D' << 16 | 'M' << 24;
    private static final int FRAMING = 1;

    /** Writes the header at the position of a little-endian buffer with room for it. */
    void encode(ByteBuffer to) {
        to.putInt(MAGIC)
                .put((byte) FRAMING)
                .put((byte) kind.code())
                .putShort((short) 0)
                .putInt(bodyBytes);
    }

    /**
     * Reads {@link #BYTES} bytes.
     *
     * @param maxBodyBytes longest body that is taken
     * @throws FrameException naming the field that is wrong
     */
    static FrameHeader decode(byte[] bytes, int maxBodyBytes) throws FrameException {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int magic = from.getInt();
        if (magic != MAGIC) {
            throw new FrameException("magic", "\"TNDM\"", Integer.toHexString(magic));
        }
        int framing = from.get();
        if (framing != FRAMING) {
            throw new FrameException("framing", "" + FRAMING, framing);
        }
        FrameKind kind = FrameKind.of(from.get());
        int zero = from.getShort();
        if (zero != 0) {
            throw new FrameException("reserved field", "0", zero);
        }
        int bodyBytes = from.getInt();
        int most = kind == FrameKind.HEARTBEAT ? 0 : maxBodyBytes;
        if (bodyBytes < 0 || bodyBytes > most) {
            throw new FrameException("body bytes of " + kind, "0 to " + most, Integer.toUnsignedString(bodyBytes));
        }
        return new FrameHeader(kind, bodyBytes);
    }
}
