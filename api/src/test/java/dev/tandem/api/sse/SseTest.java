package dev.tandem.api.sse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

class SseTest {
    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Feeds the stream in pieces of this size and gives the events. */
    private static List<String> read(String stream, int pieceBytes) {
        List<String> events = new ArrayList<>();
        SseReader reader = new SseReader(1000, events::add);
        byte[] bytes = utf8(stream);
        for (int at = 0; at < bytes.length; at += pieceBytes) {
            reader.feed(Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + pieceBytes)));
        }
        return events;
    }

    @Test
    void shouldSpliceTextIntoItsJsonSoThatAParserGivesItBack() {
        SseWriter writer = new SseWriter("{\"choices\":[{\"text\":\"", "\",\"index\":0}]}");
        StringBuilder all = new StringBuilder("é€😀 \"quoted\" \\ back / \u007f\u2028");
        for (char control = 0; control < 0x20; control++) {
            all.append(control);
        }
        String event = text(writer.event(all.toString()));
        assertThat(event).startsWith("data: {\"choices\"").endsWith("\"index\":0}]}\n\n");
        String json = event.substring(6, event.length() - 2);
        assertThat(json).doesNotContain("\n");
        assertThat(JsonMapper.shared()
                        .readTree(json)
                        .get("choices")
                        .get(0)
                        .get("text")
                        .stringValue())
                .isEqualTo(all.toString());
    }

    @Test
    void shouldFrameReadyJsonAndTheEnd() {
        assertThat(text(SseWriter.event(utf8("{}")))).isEqualTo("data: {}\n\n");
        assertThat(text(SseWriter.done())).isEqualTo("data: [DONE]\n\n");
    }

    @Test
    void shouldFindEventsWhereverTheStreamIsCut() {
        String stream =
                "\uFEFF: comment\n\ndata: one\n\nid: 7\r\ndata:two\r\ndata\r\ndata:  three\r\n\r\nevent: x\rdata: é\r\r"
                        + "data: unfinished\n";
        for (int pieceBytes = 1; pieceBytes <= stream.length(); pieceBytes++) {
            assertThat(read(stream, pieceBytes)).containsExactly("one", "two\n\n three", "é");
        }
    }

    @Test
    void shouldKnowThatAnEventIsUnfinished() {
        SseReader reader = new SseReader(100, event -> {});
        reader.feed(utf8("data: a\n"));
        assertThat(reader.isInsideEvent()).isTrue();
        reader.feed(utf8("\n"));
        assertThat(reader.isInsideEvent()).isFalse();
    }

    @Test
    void shouldRefuseAnEventAboveTheBound() {
        assertThatThrownBy(() -> read("data: " + "x".repeat(1001), 64)).isInstanceOf(SseException.class);
        assertThatThrownBy(() -> read(("data: " + "x".repeat(400) + "\n").repeat(3), 64))
                .isInstanceOf(SseException.class);
    }

    @Test
    void shouldPassOnWholeEventsOnly() {
        String stream = "data: one\n\ndata: two\r\n\r\n: ping\n\ndata: [DONE]\n\n";
        byte[] bytes = utf8(stream);
        for (int cut = 1; cut < bytes.length; cut++) {
            SseFrames frames = new SseFrames(1000);
            String head = text(frames.feed(Arrays.copyOf(bytes, cut)));
            assertThat(head.isEmpty() || head.endsWith("\n\n") || head.endsWith("\r\n\r\n"))
                    .as("cut at %d: %s", cut, head)
                    .isTrue();
            assertThat(frames.isDone()).isFalse();
            String tail = text(frames.feed(Arrays.copyOfRange(bytes, cut, bytes.length)));
            assertThat(head + tail).isEqualTo(stream);
            assertThat(frames.isDone()).isTrue();
        }
    }

    @Test
    void shouldNotTakeTextForTheEndOfTheStream() {
        SseFrames frames = new SseFrames(1000);
        frames.feed(utf8("data: {\"text\":\"data: [DONE]\"}\n\n"));
        assertThat(frames.isDone()).isFalse();
        frames.feed(utf8("data: x [DONE]\n\n"));
        assertThat(frames.isDone()).isFalse();
        frames.feed(utf8("data:[DONE]\n\n"));
        assertThat(frames.isDone()).isTrue();
    }

    @Test
    void shouldLetAnEventAboveTheBoundGoOnInPieces() {
        SseFrames frames = new SseFrames(10);
        assertThat(frames.feed(utf8("data: 345"))).isEmpty();
        assertThat(text(frames.feed(utf8("678")))).isEqualTo("data: 345678");
        assertThat(text(frames.feed(utf8("\n\n")))).isEqualTo("\n\n");
    }
}
