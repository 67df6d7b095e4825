package dev.tandem.api;

import dev.tandem.api.openai.ApiError;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * JSON text is UTF-8 (RFC 8259, 8.1), for every parser alike: what they would guess to be UTF-16 or UTF-32, or repair in silence, is refused
 * here, before them. Stateless; any thread.
 */
public final class JsonText {
    private static final long HIGH_BITS = 0x8080_8080_8080_8080L;
    /** A tree's node for a short value, with its place in the list or map around it. */
    private static final int NODE_BYTES = 64;

    private JsonText() {}

    /** The text without a byte order mark, if it has one; an {@link ApiError} with status 400 where it is empty or not UTF-8. */
    public static byte[] of(byte[] body) {
        if (body.length == 0) {
            throw ApiError.badRequest("the request body is empty; a JSON object is needed", null);
        }
        boolean hasMark =
                body.length >= 3 && body[0] == (byte) 0xef && body[1] == (byte) 0xbb && body[2] == (byte) 0xbf;
        byte[] text = hasMark ? Arrays.copyOfRange(body, 3, body.length) : body;
        for (int i = 0; i < Math.min(4, text.length); i++) {
            if (text[i] == 0) { // an ASCII character of UTF-16 or UTF-32
                throw notUtf8(text, i);
            }
        }
        int fault = fault(text);
        if (fault >= 0) {
            throw notUtf8(text, fault);
        }
        return text;
    }

    /** About how many bytes a tree of the text's values takes on the heap. */
    public static long treeBytes(byte[] text) {
        long nodes = 1;
        for (byte b : text) {
            if (b == ',' || b == '[' || b == '{' || b == ':') {
                nodes++;
            }
        }
        return nodes * NODE_BYTES + 2L * text.length;
    }

    private static ApiError notUtf8(byte[] text, int at) {
        int line = 1;
        int column = 1;
        for (int i = 0; i < at; i++) {
            boolean isEnd = text[i] == '\n';
            line += isEnd ? 1 : 0;
            column = isEnd ? 1 : (text[i] & 0xc0) == 0x80 ? column : column + 1;
        }
        return ApiError.badRequest(
                "the request body is not valid JSON: line " + line + " column " + column + ": invalid UTF-8 (byte 0x"
                        + HexFormat.of().toHexDigits(text[at]) + ")",
                null);
    }

    /** Index of the first byte that does not belong to well-formed UTF-8 (Unicode, table 3-7); -1 when there is none. */
    static int fault(byte[] text) {
        ByteBuffer words = ByteBuffer.wrap(text);
        int i = 0;
        while (i < text.length) {
            if (i + 8 <= text.length && (words.getLong(i) & HIGH_BITS) == 0) {
                i += 8;
            } else {
                int length = text[i] >= 0 ? 1 : sequenceLength(text, i);
                if (length == 0) {
                    return i;
                }
                i += length;
            }
        }
        return -1;
    }

    /** Bytes of the sequence of several that begins here; 0 where none does. */
    private static int sequenceLength(byte[] text, int at) {
        int lead = text[at] & 0xff;
        int length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (lead < 0xc2 || lead > 0xf4 || at + length > text.length) {
            return 0;
        }
        int second = text[at + 1] & 0xff;
        int least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80; // no longer than needed
        int most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf; // no surrogates, nothing beyond U+10FFFF
        if (second < least || second > most) {
            return 0;
        }
        for (int i = 2; i < length; i++) {
            if ((text[at + i] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return length;
    }
}
