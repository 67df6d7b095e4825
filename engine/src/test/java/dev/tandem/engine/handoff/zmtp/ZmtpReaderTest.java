package dev.tandem.engine.handoff.zmtp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import dev.tandem.engine.handoff.zmtp.ZmtpReader.Event;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ZmtpReaderTest {
    private static final int MESSAGE_BYTES = 10_000;
    private static final ZmtpLimits.Sizes SIZES = new ZmtpLimits.Sizes(MESSAGE_BYTES, MESSAGE_BYTES, 512, 4);

    private final ZmtpReader reader = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);

    private List<Event> read(byte[] bytes) throws ZmtpException {
        return read(reader, ByteBuffer.wrap(bytes));
    }

    private static List<Event> read(ZmtpReader reader, ByteBuffer bytes) throws ZmtpException {
        var events = new ArrayList<Event>();
        for (Event event = reader.next(bytes); event != null; event = reader.next(bytes)) {
            events.add(event);
        }
        assertThat(bytes.hasRemaining()).isFalse();
        return events;
    }

    private static byte[] bytes(int... values) {
        var bytes = new byte[values.length];
        for (int at = 0; at < values.length; at++) {
            bytes[at] = (byte) values[at];
        }
        return bytes;
    }

    private void greet() throws ZmtpException {
        read(ZmtpFrames.greeting());
        read(ZmtpFrames.ready(ZmtpSocketType.REQ));
    }

    private void assertRefused(Kind kind, String message, byte[] bytes) {
        assertThatThrownBy(() -> read(bytes))
                .isInstanceOfSatisfying(
                        ZmtpException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContaining(message);
    }

    @Test
    void shouldTakeGreetingsOfEachVersionFromThree() throws ZmtpException {
        for (int[] version : new int[][] {{3, 0}, {3, 1}, {3, 9}, {4, 0}}) {
            byte[] greeting = ZmtpFrames.greeting();
            greeting[10] = (byte) version[0];
            greeting[11] = (byte) version[1];
            assertThat(read(new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES), ByteBuffer.wrap(greeting)))
                    .containsExactly(new Event.Greeted(version[1]));
        }
    }

    @Test
    void shouldRefuseWhatIsNotAGreetingAtItsFirstWrongByte() {
        assertRefused(
                Kind.MALFORMED, "byte 0 of the greeting is 0x47", "GET / HTTP/1.1".getBytes(StandardCharsets.US_ASCII));
    }

    @Test
    void shouldRefuseOlderVersionsAndOtherMechanisms() {
        byte[] old = ZmtpFrames.greeting();
        old[10] = 2;
        assertThatThrownBy(() -> read(new ZmtpReader(ZmtpSocketType.ROUTER, 1, SIZES), ByteBuffer.wrap(old)))
                .hasMessageContaining("ZMTP version 2");
        byte[] plain = ZmtpFrames.greeting();
        System.arraycopy("PLAIN".getBytes(StandardCharsets.US_ASCII), 0, plain, 12, 5);
        assertRefused(Kind.MALFORMED, "mechanism other than NULL", plain);
    }

    @Test
    void shouldReadMessagesHoweverTheBytesAreCut() throws ZmtpException {
        var stream = new ByteArrayOutputStream();
        var sent = new ArrayList<List<ByteBuffer>>();
        var random = new Random(7);
        stream.writeBytes(ZmtpFrames.greeting());
        stream.writeBytes(ZmtpFrames.ready(ZmtpSocketType.DEALER));
        for (int message = 0; message < 200; message++) {
            var parts = new ArrayList<byte[]>();
            for (int part = 0; part <= random.nextInt(4); part++) {
                var body = new byte[random.nextInt(3) == 0 ? 0 : random.nextInt(2_000)];
                random.nextBytes(body);
                parts.add(body);
            }
            sent.add(wrapped(parts));
            stream.writeBytes(ZmtpFrames.message(parts));
            stream.writeBytes(ZmtpFrames.ping(new byte[] {(byte) message}));
        }
        for (int seed = 0; seed < 20; seed++) {
            assertThat(messages(stream.toByteArray(), new Random(seed))).isEqualTo(sent);
        }
    }

    private static List<ByteBuffer> wrapped(List<byte[]> parts) {
        return parts.stream().map(ByteBuffer::wrap).toList();
    }

    private static List<List<ByteBuffer>> messages(byte[] stream, Random cuts) throws ZmtpException {
        var cutReader = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);
        var messages = new ArrayList<List<ByteBuffer>>();
        for (int at = 0; at < stream.length; ) {
            int end = Math.min(stream.length, at + 1 + cuts.nextInt(cuts.nextInt(4) == 0 ? 3_000 : 7));
            for (Event event : read(cutReader, ByteBuffer.wrap(stream, at, end - at))) {
                if (event instanceof Event.Message message) {
                    messages.add(wrapped(message.parts()));
                }
            }
            at = end;
        }
        assertThat(cutReader.isMidway()).isFalse();
        assertThat(cutReader.heldBytes()).isZero();
        return messages;
    }

    @Test
    void shouldRefuseALengthAboveTheBoundBeforeItAllocates() throws ZmtpException {
        greet();
        for (long length : new long[] {MESSAGE_BYTES + 1, Integer.MAX_VALUE, Long.MAX_VALUE, -1, Long.MIN_VALUE}) {
            var fresh = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);
            read(fresh, ByteBuffer.wrap(ZmtpFrames.greeting()));
            read(fresh, ByteBuffer.wrap(ZmtpFrames.ready(ZmtpSocketType.REQ)));
            var frame = ByteBuffer.allocate(9).put((byte) 2).putLong(length).flip();
            assertThatThrownBy(() -> fresh.next(frame))
                    .isInstanceOfSatisfying(
                            ZmtpException.class, e -> assertThat(e.kind()).isEqualTo(Kind.TOO_LARGE))
                    .hasMessageContaining(Long.toUnsignedString(length));
            assertThat(fresh.heldBytes()).isZero();
        }
    }

    @Test
    void shouldKeepNoMoreThanTwiceWhatHasCome() throws ZmtpException {
        greet();
        read(ByteBuffer.allocate(9).put((byte) 2).putLong(MESSAGE_BYTES).array());
        assertThat(reader.heldBytes()).as("a length alone").isZero();
        read(new byte[1]);
        assertThat(reader.heldBytes()).isEqualTo(4 << 10);
        read(new byte[4_096]);
        assertThat(reader.heldBytes()).isLessThanOrEqualTo(2 * 4_097);
        assertThat(reader.isMidway()).isTrue();
    }

    @Test
    void shouldBoundAMessageOverAllItsParts() throws ZmtpException {
        greet();
        byte[] half = ZmtpFrames.message(List.of(new byte[MESSAGE_BYTES / 2], new byte[0]));
        half[half.length - 2] = 1; // the last one has more behind it, too
        read(half);
        assertRefused(
                Kind.TOO_LARGE,
                "behind 5000, but a message has at most 10000",
                ZmtpFrames.message(List.of(new byte[5_001])));
    }

    @Test
    void shouldBoundThePartsOfAMessage() throws ZmtpException {
        greet();
        assertRefused(Kind.TOO_LARGE, "more than 4 parts", bytes(1, 0, 1, 0, 1, 0, 1, 0, 1));
    }

    @Test
    void shouldRefuseCommandsThatAreTooLongOrCutShort() throws ZmtpException {
        read(ZmtpFrames.greeting());
        for (byte[] command : List.of(
                bytes(4, 0), // no name
                bytes(4, 1, 5), // a name beyond its end
                bytes(4, 9, 5, 'R', 'E', 'A', 'D', 'Y', 1, 'a', 0), // a value without its length
                bytes(4, 12, 5, 'R', 'E', 'A', 'D', 'Y', 1, 'a', 0xff, 0xff, 0xff, 0xff), // of -1 bytes
                bytes(4, 6, 5, 'R', 'E', 'A', 'D', 'Y'), // no socket type
                bytes(6, 0, 0, 0, 0, 0, 0, 2, 1), // longer than a command may be
                bytes(5, 1, 0), // with more behind it
                bytes(0x80, 1, 0))) { // a flag that nobody knows
            var fresh = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);
            read(fresh, ByteBuffer.wrap(ZmtpFrames.greeting()));
            assertThatThrownBy(() -> fresh.next(ByteBuffer.wrap(command))).isInstanceOf(ZmtpException.class);
        }
    }

    @Test
    void shouldRefuseASocketTypeThatDoesNotFitAndQuoteItHarmlessly() throws ZmtpException {
        read(ZmtpFrames.greeting());
        byte[] type = "Socket-Type".getBytes(StandardCharsets.US_ASCII);
        byte[] value = "PUB\nERROR\u001b[31m".getBytes(StandardCharsets.US_ASCII);
        var body = ByteBuffer.allocate(6 + 1 + type.length + 4 + value.length)
                .put((byte) 5)
                .put("READY".getBytes(StandardCharsets.US_ASCII))
                .put((byte) type.length)
                .put(type)
                .putInt(value.length)
                .put(value)
                .array();
        var frame = ByteBuffer.allocate(2 + body.length)
                .put((byte) 4)
                .put((byte) body.length)
                .put(body);
        assertRefused(Kind.MALFORMED, "\"PUB?ERROR?[31m\" does not talk to ROUTER", frame.array());
    }

    @Test
    void shouldRefuseWhatMayNotComeYetOrNoMore() throws ZmtpException {
        read(ZmtpFrames.greeting());
        var early = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);
        read(early, ByteBuffer.wrap(ZmtpFrames.greeting()));
        assertThatThrownBy(() -> read(early, ByteBuffer.wrap(bytes(0, 0)))).hasMessageContaining("before READY");
        read(ZmtpFrames.ready(ZmtpSocketType.REQ));
        assertRefused(Kind.MALFORMED, "READY twice", ZmtpFrames.ready(ZmtpSocketType.REQ));
    }

    @Test
    void shouldRefuseACommandWithinAMessage() throws ZmtpException {
        greet();
        assertRefused(Kind.MALFORMED, "within a message", bytes(1, 0, 4));
    }

    @Test
    void shouldReadPingsAndSkipCommandsThatNobodyKnows() throws ZmtpException {
        greet();
        read(bytes(4, 4, 3, 'N', 'E', 'W'));
        List<Event> events = read(ZmtpFrames.ping(bytes(1, 2, 3)));
        assertThat(events)
                .singleElement()
                .isInstanceOfSatisfying(
                        Event.Pinged.class, ping -> assertThat(ping.context()).containsExactly(1, 2, 3));
    }

    @Test
    void shouldEndQuietlyOrWithAReasonWhateverTheBytesAre() {
        var random = new Random(11);
        byte[] opening = ZmtpFrames.greeting();
        byte[] ready = ZmtpFrames.ready(ZmtpSocketType.REQ);
        for (int run = 0; run < 5_000; run++) {
            var stream = new ByteArrayOutputStream();
            stream.writeBytes(opening);
            if (run % 3 > 0) {
                stream.writeBytes(ready);
            }
            var noise = new byte[random.nextInt(60)];
            random.nextBytes(noise);
            if (noise.length > 0) {
                noise[0] = (byte) random.nextInt(8);
            }
            stream.writeBytes(noise);
            byte[] all = stream.toByteArray();
            if (run % 2 == 0) {
                all[random.nextInt(all.length)] ^= (byte) (1 << random.nextInt(8));
            }
            var fresh = new ZmtpReader(ZmtpSocketType.ROUTER, MESSAGE_BYTES, SIZES);
            try {
                read(fresh, ByteBuffer.wrap(all));
            } catch (ZmtpException refused) {
                assertThat(refused.getMessage()).isNotBlank().doesNotContain("\n");
            }
            assertThat(fresh.heldBytes()).isLessThanOrEqualTo(MESSAGE_BYTES);
        }
    }
}
