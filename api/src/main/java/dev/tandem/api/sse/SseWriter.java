package dev.tandem.api.sse;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Makes the events of one stream of tokens: the JSON around the text is rendered once, and each event splices its text, escaped as Jackson
 * does, between the two halves. An event on the wire:
 *
 * <pre>
 *   data: {before}escaped text{after}\n
 *   \n
 * </pre>
 *
 * Immutable; any thread.
 */
public final class SseWriter {
    private static final byte[] DATA = "data: ".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] HEX = "0123456789ABCDEF".getBytes(StandardCharsets.US_ASCII);
    private static final int LONGEST_ESCAPE = 6;
    /** What stands behind the backslash, by character; 0 for those that have no short escape. */
    private static final byte[] ESCAPES = new byte['\\' + 1];

    static {
        String escaped = "\"\\\b\f\n\r\t";
        String shown = "\"\\bfnrt";
        for (int i = 0; i < escaped.length(); i++) {
            ESCAPES[escaped.charAt(i)] = (byte) shown.charAt(i);
        }
    }

    private final byte[] before;
    private final byte[] after;

    /** Takes the JSON up to and including the quote that opens the text, and from the quote that closes it on; both without line breaks. */
    public SseWriter(String before, String after) {
        if (before.indexOf('\n') >= 0 || after.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("an event's JSON must be one line");
        }
        this.before = before.getBytes(StandardCharsets.UTF_8);
        this.after = after.getBytes(StandardCharsets.UTF_8);
    }

    /** The event with this text. */
    public byte[] event(String text) {
        return event(text, after);
    }

    /** The event with this text and with other JSON behind it, from the quote that closes the text on. */
    public byte[] event(String text, String otherAfter) {
        return event(text, otherAfter.getBytes(StandardCharsets.UTF_8));
    }

    private byte[] event(String text, byte[] after) {
        byte[] raw = text.getBytes(StandardCharsets.UTF_8);
        byte[] out = new byte[DATA.length + before.length + LONGEST_ESCAPE * raw.length + after.length + 2];
        int at = put(DATA, out, 0);
        at = put(before, out, at);
        at = escape(raw, out, at);
        at = put(after, out, at);
        return end(out, at);
    }

    /** The event with this JSON, which must be one line. */
    public static byte[] event(byte[] json) {
        byte[] out = new byte[DATA.length + json.length + 2];
        return end(out, put(json, out, put(DATA, out, 0)));
    }

    /** The event that ends a stream of OpenAI's kind. */
    public static byte[] done() {
        return DONE.clone();
    }

    private static byte[] end(byte[] out, int at) {
        out[at] = '\n';
        out[at + 1] = '\n';
        return at + 2 == out.length ? out : Arrays.copyOf(out, at + 2);
    }

    private static int put(byte[] part, byte[] out, int at) {
        System.arraycopy(part, 0, out, at, part.length);
        return at + part.length;
    }

    /** Escapes UTF-8 as the inside of a JSON string (RFC 8259, section 7); bytes from 0x80 on pass unchanged. */
    private static int escape(byte[] raw, byte[] out, int start) {
        int at = start;
        for (byte b : raw) {
            int escape = b >= 0 && b < ESCAPES.length ? ESCAPES[b] : 0;
            if (escape > 0) {
                out[at++] = '\\';
                out[at++] = (byte) escape;
            } else if (b >= 0 && b < 0x20) {
                at = putUnicode(b, out, at);
            } else {
                out[at++] = b;
            }
        }
        return at;
    }

    private static int putUnicode(int control, byte[] out, int at) {
        out[at] = '\\';
        out[at + 1] = 'u';
        out[at + 2] = '0';
        out[at + 3] = '0';
        out[at + 4] = HEX[control >> 4];
        out[at + 5] = HEX[control & 15];
        return at + LONGEST_ESCAPE;
    }
}
