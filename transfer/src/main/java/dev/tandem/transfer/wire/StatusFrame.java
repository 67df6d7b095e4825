package dev.tandem.transfer.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The server's answer in protocol v2: before the payload of a read, after the last byte of a write is in its memory.
 *
 * <pre>
 *   0      4      8     little-endian u64
 *   +------+------+
 *   | code | MCTV |     magic 0x4D435456 in the high half
 *   +------+------+
 * </pre>
 *
 * After a code other than 0 the server closes the connection and drains nothing.
 */
public final class StatusFrame {
    public static final int BYTES = 8;

    /** Done (write) or the payload follows (read). */
    public static final int OK = 0;

    /** The range is not inside one registered buffer, or empty. */
    public static final int REJECTED = 1;

    /** Tandem's own: the payload of a checksum write is not what was summed. The connection goes on. */
    public static final int CHECKSUM_MISMATCH = 2;

    private static final int MAGIC = 0x4D435456;
    private static final VarHandle LONG = MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private StatusFrame() {}

    public static void encode(ByteBuffer buffer, int offset, int code) {
        LONG.set(buffer, offset, ((long) MAGIC << 32) | (code & 0xffff_ffffL));
    }

    /** Whether a frame stands at {@code offset}; a peer of protocol v1 sends payload there. */
    public static boolean isFrame(ByteBuffer buffer, int offset) {
        return (int) ((long) LONG.get(buffer, offset) >>> 32) == MAGIC;
    }

    public static int code(ByteBuffer buffer, int offset) {
        return (int) (long) LONG.get(buffer, offset);
    }
}
