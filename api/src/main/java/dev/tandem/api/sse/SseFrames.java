package dev.tandem.api.sse;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Cuts a relayed stream of server-sent events into whole events, without looking into them: what the network delivers goes on up to the
 * last event boundary, the rest waits. So a stream that breaks off never leaves half an event with the client, and whether the stream was
 * complete is known: its last event is {@code [DONE]}. Lines end in LF or CRLF. Owned by the relay of its stream.
 */
public final class SseFrames {
    private static final byte[] NOTHING = new byte[0];
    private static final byte[] DONE = "[DONE]".getBytes(StandardCharsets.US_ASCII);

    private final int maxEventBytes;
    private byte[] held = NOTHING;
    private boolean done;

    /** An event above the bound is no longer held back but goes on in pieces. */
    public SseFrames(int maxEventBytes) {
        this.maxEventBytes = maxEventBytes;
    }

    /** Takes the next bytes and gives what may go on now: whole events, possibly none. */
    public byte[] feed(byte[] bytes) {
        byte[] all = held.length == 0 ? bytes : concat(held, bytes);
        int end = boundary(all);
        if (end == 0 && all.length > maxEventBytes) {
            end = all.length;
        }
        held = end == all.length ? NOTHING : Arrays.copyOfRange(all, end, all.length);
        if (end > 0) {
            done = endsInDone(all, end);
        }
        return end == all.length ? all : Arrays.copyOf(all, end);
    }

    /** Whether the last whole event was the one that ends a stream of OpenAI's kind. */
    public boolean isDone() {
        return done && held.length == 0;
    }

    /** Index behind the last empty line, 0 when there is none. */
    private static int boundary(byte[] bytes) {
        for (int i = bytes.length - 1; i > 0; i--) {
            if (bytes[i] == '\n' && (bytes[i - 1] == '\n' || (i > 1 && bytes[i - 1] == '\r' && bytes[i - 2] == '\n'))) {
                return i + 1;
            }
        }
        return 0;
    }

    private static boolean endsInDone(byte[] bytes, int end) {
        int last = end;
        while (last > 0 && (bytes[last - 1] == '\n' || bytes[last - 1] == '\r')) {
            last--;
        }
        int from = last - DONE.length;
        if (from < 0 || !Arrays.equals(bytes, from, last, DONE, 0, DONE.length)) {
            return false;
        }
        int lineStart = from;
        while (lineStart > 0 && bytes[lineStart - 1] != '\n') {
            lineStart--;
        }
        String field = new String(bytes, lineStart, from - lineStart, StandardCharsets.US_ASCII);
        return field.equals("data: ") || field.equals("data:");
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] all = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }
}
