package dev.tandem.api.sse;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * Finds the events in a stream of bytes that the network cuts anywhere (WHATWG HTML, "server-sent events"): lines end in LF, CR or CRLF,
 * several {@code data} lines of one event are joined by a line feed, comments and other fields are passed over, an event without an empty
 * line behind it does not count. Owned by the reader of its stream.
 */
public final class SseReader {
    private final int maxEventBytes;
    private final Consumer<String> events;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private final StringBuilder data = new StringBuilder();
    private boolean hasData;
    private boolean afterCarriageReturn;
    private boolean firstLine = true;

    /** Calls {@code events} with the data of each event; a line or an event above the bound is an {@link SseException}. */
    public SseReader(int maxEventBytes, Consumer<String> events) {
        this.maxEventBytes = maxEventBytes;
        this.events = events;
    }

    /** Takes the next bytes of the stream. */
    public void feed(byte[] bytes) {
        for (byte b : bytes) {
            if (b == '\n' && afterCarriageReturn) {
                afterCarriageReturn = false;
            } else if (b == '\n' || b == '\r') {
                afterCarriageReturn = b == '\r';
                endLine();
            } else {
                afterCarriageReturn = false;
                bound(line.size());
                line.write(b);
            }
        }
    }

    /** Whether the stream stands in the midst of an event. */
    public boolean isInsideEvent() {
        return hasData || line.size() > 0;
    }

    private void endLine() {
        String text = line.toString(StandardCharsets.UTF_8);
        line.reset();
        if (firstLine && text.startsWith("\uFEFF")) {
            text = text.substring(1);
        }
        firstLine = false;
        if (text.isEmpty()) {
            endEvent();
        } else if (text.equals("data") || text.startsWith("data:")) {
            addData(text.length() <= 5 ? "" : text.substring(text.charAt(5) == ' ' ? 6 : 5));
        }
    }

    private void addData(String value) {
        bound(data.length() + value.length());
        if (hasData) {
            data.append('\n');
        }
        hasData = true;
        data.append(value);
    }

    private void endEvent() {
        if (hasData) {
            String event = data.toString();
            data.setLength(0);
            hasData = false;
            events.accept(event);
        }
    }

    private void bound(int size) {
        if (size >= maxEventBytes) {
            throw new SseException("a server-sent event exceeds " + maxEventBytes + " bytes");
        }
    }
}
