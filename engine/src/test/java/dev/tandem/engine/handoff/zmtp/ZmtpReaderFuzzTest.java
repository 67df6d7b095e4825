package dev.tandem.engine.handoff.zmtp;

import dev.tandem.corpus.Corpus;
import dev.tandem.engine.handoff.zmtp.ZmtpReader.Event;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * What a peer of the side channel sends: byte 0 says whether a greeting and READY stand before the rest, byte 1 how it is cut. The same
 * events however it is cut, within the bounds; messages are written and read again as the same; or refused.
 */
class ZmtpReaderFuzzTest {
    private static final int MESSAGE_BYTES = 512;
    private static final ZmtpLimits.Sizes SIZES = new ZmtpLimits.Sizes(MESSAGE_BYTES, MESSAGE_BYTES, 128, 4);

    @Test
    void shouldReadOrRefuseEveryStream() {
        Corpus.replay("zmtp", ZmtpReaderFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length < 2) {
            return;
        }
        byte[] rest = Arrays.copyOfRange(input, 2, input.length);
        byte[] stream =
                (input[0] & 1) == 0 ? rest : joined(ZmtpFrames.greeting(), ZmtpFrames.ready(ZmtpSocketType.REQ), rest);
        var written = new ByteArrayOutputStream();
        written.writeBytes(joined(ZmtpFrames.greeting(), ZmtpFrames.ready(ZmtpSocketType.REQ)));
        List<String> events =
                read(stream, stream.length, message -> written.writeBytes(ZmtpFrames.message(message.parts())));
        Corpus.require(events.equals(read(stream, 1 + (input[1] & 63), message -> {})), "other events when cut");
        List<String> messages =
                events.stream().filter(event -> event.startsWith("message ")).toList();
        if (!messages.isEmpty()) {
            List<String> again = read(written.toByteArray(), written.size(), message -> {});
            Corpus.require(again.getLast().equals("between"), "refused what was read before");
            Corpus.require(
                    again.subList(2, again.size() - 1).equals(messages), "other messages when written and read again");
        }
    }

    private static List<String> read(byte[] stream, int piece, Consumer<Event.Message> taken) {
        var events = new ArrayList<String>();
        var reader = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);
        try {
            for (int at = 0; at < stream.length; at += piece) {
                ByteBuffer bytes = ByteBuffer.wrap(stream, at, Math.min(piece, stream.length - at));
                for (Event event = reader.next(bytes); event != null; event = reader.next(bytes)) {
                    if (event instanceof Event.Message message) {
                        taken.accept(message);
                    }
                    events.add(told(event));
                }
                Corpus.require(!bytes.hasRemaining(), "bytes were left");
                Corpus.require(reader.heldBytes() <= MESSAGE_BYTES, "more bytes held than a message may have");
            }
        } catch (ZmtpException refusal) {
            String message = String.valueOf(refusal.getMessage());
            Corpus.require(message.length() < 400 && message.chars().allMatch(c -> c >= ' ' && c <= '~'), message);
            events.add(refusal.kind() + ": " + message);
        }
        events.add(reader.isMidway() ? "midway" : "between");
        return events;
    }

    private static String told(Event event) {
        return switch (event) {
            case Event.Greeted greeted -> greeted.toString();
            case Event.Readied readied ->
                readied.type() + " "
                        + readied.properties().keySet().stream().sorted().toList();
            case Event.Message message -> {
                requireBounded(message.parts());
                yield "message "
                        + message.parts().stream().map(Arrays::toString).toList();
            }
            case Event.Pinged ping -> "ping " + Arrays.toString(ping.context());
            case Event.Proved proved -> "proof " + Arrays.toString(proved.proof());
            case Event.Ponged pong -> "pong " + Arrays.toString(pong.context());
        };
    }

    private static void requireBounded(List<byte[]> parts) {
        int bytes = parts.stream().mapToInt(part -> part.length).sum();
        Corpus.require(bytes <= MESSAGE_BYTES && parts.size() <= SIZES.parts(), "a message above its bounds");
    }

    private static byte[] joined(byte[]... pieces) {
        var joined = ByteBuffer.allocate(
                Arrays.stream(pieces).mapToInt(piece -> piece.length).sum());
        for (byte[] piece : pieces) {
            joined.put(piece);
        }
        return joined.array();
    }
}
