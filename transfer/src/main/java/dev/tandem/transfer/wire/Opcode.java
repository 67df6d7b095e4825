package dev.tandem.transfer.wire;

/**
 * What a request header asks for: byte 16 of it.
 *
 * <p>Mooncake knows 0 (read) and 1 (write), and bit 7 for protocol v2, where the server answers with a status frame. It takes every other
 * value for a read. The two checksum opcodes are Tandem's own and go only to peers whose descriptor offers them: v2 framing, and four
 * bytes of CRC32C (u32, little-endian) behind the payload, whoever sends it. So do the two of {@link ProofFrames}.
 */
public enum Opcode {
    READ_V1(0x00),
    WRITE_V1(0x01),
    READ_V2(0x80),
    WRITE_V2(0x81),
    READ_CRC(0x90),
    WRITE_CRC(0x91),
    HELLO(0xa0),
    PROVE(0xa1);

    /** Bytes of the checksum behind the payload. */
    public static final int CHECKSUM_BYTES = 4;

    private static final int V2_BIT = 0x80;

    private final byte code;

    Opcode(int code) {
        this.code = (byte) code;
    }

    /** The opcode of a received byte, by Mooncake's rule that whatever is not a write is a read. */
    public static Opcode of(byte code) {
        if (code == READ_CRC.code) {
            return READ_CRC;
        }
        if (code == WRITE_CRC.code) {
            return WRITE_CRC;
        }
        if (code == HELLO.code) {
            return HELLO;
        }
        if (code == PROVE.code) {
            return PROVE;
        }
        boolean isWrite = (code & 0x7f) == WRITE_V1.code;
        boolean isV2 = (code & V2_BIT) != 0;
        if (isWrite) {
            return isV2 ? WRITE_V2 : WRITE_V1;
        }
        return isV2 ? READ_V2 : READ_V1;
    }

    public byte code() {
        return code;
    }

    public boolean isWrite() {
        return this == WRITE_V1 || this == WRITE_V2 || this == WRITE_CRC;
    }

    /** Whether the server answers with a status frame: v2. */
    public boolean hasStatus() {
        return (code & V2_BIT) != 0;
    }

    /** Whether it belongs to {@link ProofFrames}. */
    public boolean isOfProof() {
        return this == HELLO || this == PROVE;
    }

    public boolean hasChecksum() {
        return this == READ_CRC || this == WRITE_CRC;
    }
}
