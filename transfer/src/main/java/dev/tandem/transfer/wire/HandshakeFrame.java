package dev.tandem.transfer.wire;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * One message on the handshake port; each connection carries one request and one reply of the same type.
 *
 * <pre>
 *   0          8      9                8 + length
 *   +----------+------+----------------+
 *   |  length  | type |      JSON      |     length: u64 little-endian, counts type and JSON
 *   |   u64    |  u8  |     UTF-8      |
 *   +----------+------+----------------+
 * </pre>
 *
 * Before types existed the JSON stood alone, as a Connection message; its first byte, an opening brace, is above every type, and the answer has
 * no type either.
 *
 * @param type what the message is about
 * @param isTyped false in the old protocol, where the type byte is missing
 * @param json the text, not parsed
 */
public record HandshakeFrame(Type type, boolean isTyped, String json) {
    /** Bytes of the length field. */
    public static final int PREFIX_BYTES = 8;

    /** Mooncake's default limit for length. */
    public static final int DEFAULT_MAX_BYTES = 1 << 20;

    /** The type byte. */
    public enum Type {
        CONNECTION(0),
        METADATA(1),
        NOTIFY(2),
        PROBE(3);

        private final byte code;

        Type(int code) {
            this.code = (byte) code;
        }
    }

    public static HandshakeFrame of(Type type, String json) {
        return new HandshakeFrame(type, true, json);
    }

    /** A message of the same kind, as an answer must be. */
    public HandshakeFrame answer(String answerJson) {
        return new HandshakeFrame(type, isTyped, answerJson);
    }

    /** The whole frame, ready to send. */
    public byte[] encode() {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        int bodyBytes = text.length + (isTyped ? 1 : 0);
        ByteBuffer frame = ByteBuffer.allocate(PREFIX_BYTES + bodyBytes).order(ByteOrder.LITTLE_ENDIAN);
        frame.putLong(bodyBytes);
        if (isTyped) {
            frame.put(type.code);
        }
        frame.put(text);
        return frame.array();
    }

    /**
     * Bytes that follow the length field.
     *
     * @param prefix the first {@link #PREFIX_BYTES} of a connection
     * @throws WireException the length is 0 or above the limit; an HTTP or TLS probe ends here, too
     */
    public static int bodyBytes(byte[] prefix, int maxBytes) throws WireException {
        long length = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (length <= 0 || length > maxBytes) {
            throw new WireException("handshake frame of " + Long.toUnsignedString(length) + " bytes; 1 to " + maxBytes
                    + " are allowed");
        }
        return (int) length;
    }

    /** Reads what follows the length field. */
    public static HandshakeFrame decode(byte[] body) throws WireException {
        if (body.length == 0) {
            throw new WireException("handshake frame without a body");
        }
        Optional<Type> told = Arrays.stream(Type.values())
                .filter(each -> each.code == body[0])
                .findFirst();
        boolean isTyped = told.isPresent();
        Type type = told.orElse(Type.CONNECTION);
        int textOffset = isTyped ? 1 : 0;
        try {
            String json = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(body, textOffset, body.length - textOffset))
                    .toString();
            return new HandshakeFrame(type, isTyped, json);
        } catch (CharacterCodingException e) {
            throw new WireException("handshake frame that is not UTF-8", e);
        }
    }
}
