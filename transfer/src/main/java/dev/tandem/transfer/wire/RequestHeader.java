package dev.tandem.transfer.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The header in front of every exchange on the data port, over bytes that lie in a buffer.
 *
 * <pre>
 *   0        8        16  17           24     little-endian
 *   +--------+--------+---+------------+
 *   |  size  |  addr  |op |  padding   |     size: payload bytes, u64
 *   |  u64   |  u64   |u8 |  7 bytes   |     addr: in the server's segment, u64
 *   +--------+--------+---+------------+     padding: sent as zeros, ignored
 * </pre>
 *
 * There is no magic, no request id and no version: requests on a connection are answered in the order in which they came. The payload of
 * a write follows at once; that of a read comes back behind the status frame (v2) or alone (v1).
 */
public final class RequestHeader {
    public static final int BYTES = 24;

    private static final int SIZE_OFFSET = 0;
    private static final int ADDRESS_OFFSET = 8;
    private static final int OPCODE_OFFSET = 16;
    private static final VarHandle LONG = MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private RequestHeader() {}

    /**
     * Writes a header at {@code offset}; the buffer's position does not matter and does not move.
     *
     * @param size payload bytes
     * @param address in the server's segment
     */
    public static void encode(ByteBuffer buffer, int offset, long size, long address, Opcode opcode) {
        LONG.set(buffer, offset + SIZE_OFFSET, size);
        LONG.set(buffer, offset + ADDRESS_OFFSET, address);
        LONG.set(buffer, offset + OPCODE_OFFSET, opcode.code() & 0xffL); // the padding with it
    }

    /** Payload bytes, unsigned: a hostile header may say anything. */
    public static long size(ByteBuffer buffer, int offset) {
        return (long) LONG.get(buffer, offset + SIZE_OFFSET);
    }

    /** Address in the server's segment, unsigned. */
    public static long address(ByteBuffer buffer, int offset) {
        return (long) LONG.get(buffer, offset + ADDRESS_OFFSET);
    }

    public static Opcode opcode(ByteBuffer buffer, int offset) {
        return Opcode.of(buffer.get(offset + OPCODE_OFFSET));
    }
}
