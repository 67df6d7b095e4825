package dev.tandem.api.sse;

import dev.tandem.corpus.Corpus;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Event streams of nodes. Byte 0 says how the network cuts the rest: the events must be the same however it does. What is relayed is what
 * came, without half an event.
 */
class SseFuzzTest {
    private static final int MAX_EVENT_BYTES = 256;

    @Test
    void shouldFindTheSameEventsHoweverAStreamIsCut() {
        Corpus.replay("sse", SseFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length < 2) {
            return;
        }
        int piece = 1 + (input[0] & 63);
        byte[] stream = Arrays.copyOfRange(input, 1, input.length);
        Corpus.require(events(stream, piece).equals(events(stream, stream.length)), "other events when cut");
        relay(stream, piece);
        write(stream);
    }

    private static List<String> events(byte[] stream, int piece) {
        var events = new ArrayList<String>();
        var reader = new SseReader(MAX_EVENT_BYTES, events::add);
        try {
            for (int at = 0; at < stream.length; at += piece) {
                reader.feed(Arrays.copyOfRange(stream, at, Math.min(stream.length, at + piece)));
            }
        } catch (SseException tooLong) {
            events.add("too long");
        }
        events.add(reader.isInsideEvent() ? "inside" : "between");
        return events;
    }

    private static void relay(byte[] stream, int piece) {
        var frames = new SseFrames(MAX_EVENT_BYTES);
        var relayed = new ByteArrayOutputStream();
        boolean isCutOpen = false;
        for (int at = 0; at < stream.length; at += piece) {
            byte[] out = frames.feed(Arrays.copyOfRange(stream, at, Math.min(stream.length, at + piece)));
            relayed.writeBytes(out);
            isCutOpen |= out.length > MAX_EVENT_BYTES;
        }
        byte[] whole = relayed.toByteArray();
        Corpus.require(Arrays.equals(whole, 0, whole.length, stream, 0, whole.length), "relayed what did not come");
        Corpus.require(stream.length - whole.length <= MAX_EVENT_BYTES, "held back more than an event may have");
        boolean isWhole = whole.length == 0 || whole[whole.length - 1] == '\n';
        Corpus.require(isWhole || isCutOpen, "relayed half an event");
        Corpus.require(!frames.isDone() || new String(whole, StandardCharsets.ISO_8859_1).contains("[DONE]"), "done");
    }

    private static void write(byte[] stream) {
        String text = new String(stream, StandardCharsets.UTF_8);
        var read = new ArrayList<String>();
        new SseReader(8 * stream.length + 64, read::add).feed(new SseWriter("{\"t\":\"", "\"}").event(text));
        Corpus.require(read.size() == 1, read.size() + " events of one that was written");
        String json = read.getFirst();
        Corpus.require(json.startsWith("{\"t\":\"") && json.endsWith("\"}"), "an event without its frame");
    }
}
