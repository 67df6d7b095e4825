package dev.tandem.engine.handoff.zmtp;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * Writes what {@link ZmtpReader} reads; RFC 23 (ZMTP 3.0) and RFC 37 (3.1). Numbers are big-endian. Pure.
 *
 * <pre>
 *   greeting  FF, 8 bytes, 7F | 03 01 | "NULL" and 16 zeros | 00 | 31 zeros                                   64 bytes
 *   frame     flags | length, 1 byte, or 8 if LONG | body        flags: 1 MORE parts follow, 2 LONG, 4 COMMAND
 *   command   a frame whose body is: length of name, 1 byte | name | data
 *   READY     properties: length of name, 1 byte | name | length of value, 4 bytes | value
 *   PING      time to live, 2 bytes | context, up to 16 bytes          PONG   context
 *   ERROR     length of reason, 1 byte | reason                        TANDEM-PROOF   32 bytes, only between Tandem peers
 * </pre>
 */
public final class ZmtpFrames {
    static final int GREETING_BYTES = 64;
    static final int SIGNATURE_END = 9;
    static final int VERSION_AT = 10;
    static final int MECHANISM_AT = 12;
    static final int MECHANISM_BYTES = 20;
    static final int MAJOR = 3;
    static final byte[] MECHANISM = ascii("NULL");
    static final int MORE = 1;
    static final int LONG = 2;
    static final int COMMAND = 4;
    static final int MAX_PING_CONTEXT = 16;
    static final int PING_TTL_BYTES = 2;
    static final String READY = "READY";
    static final String ERROR = "ERROR";
    static final String PING = "PING";
    static final String PONG = "PONG";
    static final String PROOF = "TANDEM-PROOF"; // our own
    static final String SOCKET_TYPE = "Socket-Type";
    private static final int MINOR = 1;
    private static final int MAX_SHORT = 255;

    private ZmtpFrames() {}

    /** The first bytes of either side. */
    public static byte[] greeting() {
        var greeting = new byte[GREETING_BYTES];
        greeting[0] = (byte) 0xff;
        greeting[SIGNATURE_END - 1] = 1; // as libzmq writes it: old peers read the length of an empty identity here
        greeting[SIGNATURE_END] = 0x7f;
        greeting[VERSION_AT] = MAJOR;
        greeting[VERSION_AT + 1] = MINOR;
        System.arraycopy(MECHANISM, 0, greeting, MECHANISM_AT, MECHANISM.length);
        return greeting;
    }

    /** What this side's socket is. */
    public static byte[] ready(ZmtpSocketType type) {
        return ready(type, Map.of());
    }

    /** The same with further properties. */
    static byte[] ready(ZmtpSocketType type, Map<String, byte[]> further) {
        byte[] name = ascii(SOCKET_TYPE);
        byte[] value = ascii(type.name());
        byte[] identity = ascii("Identity"); // empty; libzmq names it too
        int furtherBytes = 0;
        for (var property : further.entrySet()) {
            furtherBytes += 1 + property.getKey().length() + Integer.BYTES + property.getValue().length;
        }
        var properties = ByteBuffer.allocate(
                2 + name.length + identity.length + 2 * Integer.BYTES + value.length + furtherBytes);
        properties.put((byte) name.length).put(name).putInt(value.length).put(value);
        properties.put((byte) identity.length).put(identity).putInt(0);
        for (var property : further.entrySet()) {
            byte[] key = ascii(property.getKey());
            properties.put((byte) key.length).put(key);
            properties.putInt(property.getValue().length).put(property.getValue());
        }
        return command(READY, properties.array());
    }

    /** Shows that this side knows the cluster's secret; see {@link ZmtpProof}. */
    static byte[] proof(byte[] proof) {
        return command(PROOF, proof);
    }

    /** Why this side refuses the peer, shortened. */
    static byte[] error(String reason) {
        byte[] text = ascii(reason.substring(0, Math.min(reason.length(), MAX_SHORT)));
        return command(
                ERROR,
                ByteBuffer.allocate(1 + text.length)
                        .put((byte) text.length)
                        .put(text)
                        .array());
    }

    /** Asks for a sign of life; the peer gives the context back. */
    public static byte[] ping(byte[] context) {
        if (context.length > MAX_PING_CONTEXT) {
            throw new IllegalArgumentException(context.length + " bytes of context");
        }
        return command(
                PING,
                ByteBuffer.allocate(PING_TTL_BYTES + context.length)
                        .putShort((short) 0)
                        .put(context)
                        .array());
    }

    static byte[] pong(byte[] context) {
        return command(PONG, context);
    }

    private static byte[] command(String name, byte[] data) {
        int bodyBytes = 1 + name.length() + data.length;
        var frame = ByteBuffer.allocate(headerBytes(bodyBytes) + bodyBytes);
        putHeader(frame, COMMAND, bodyBytes);
        frame.put((byte) name.length()).put(ascii(name)).put(data);
        return frame.array();
    }

    /** A whole message, at least one part. */
    public static byte[] message(List<byte[]> parts) {
        int bytes = 0;
        for (byte[] part : parts) {
            bytes = Math.addExact(bytes, headerBytes(part.length) + part.length);
        }
        var message = ByteBuffer.allocate(bytes);
        for (int part = 0; part < parts.size(); part++) {
            byte[] body = parts.get(part);
            putHeader(message, part < parts.size() - 1 ? MORE : 0, body.length);
            message.put(body);
        }
        return message.array();
    }

    private static int headerBytes(int bodyBytes) {
        return 1 + (bodyBytes > MAX_SHORT ? Long.BYTES : 1);
    }

    private static void putHeader(ByteBuffer frame, int flags, int bodyBytes) {
        if (bodyBytes > MAX_SHORT) {
            frame.put((byte) (flags | LONG)).putLong(bodyBytes);
        } else {
            frame.put((byte) flags).put((byte) bodyBytes);
        }
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
