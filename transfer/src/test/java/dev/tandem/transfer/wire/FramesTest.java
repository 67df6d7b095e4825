package dev.tandem.transfer.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bytes as Mooncake sends them. */
class FramesTest {
    private static final HexFormat HEX = HexFormat.ofDelimiter(" ").withUpperCase();

    @Test
    void shouldEncodeTheGoldenWriteHeader() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(26);

        RequestHeader.encode(buffer, 1, 5, 0x7000000007D0L, Opcode.WRITE_V2);

        assertThat(hex(buffer, 1, 24))
                .isEqualTo("05 00 00 00 00 00 00 00 D0 07 00 00 00 70 00 00 81 00 00 00 00 00 00 00");
        assertThat(buffer.get(0)).isZero();
        assertThat(buffer.get(25)).isZero();
    }

    @Test
    void shouldIgnoreHeapTextInThePaddingOfAHeader() {
        byte[] bytes = HEX.parseHex("00 10 00 00 00 00 00 00 00 00 00 00 00 70 00 00 00 65 73 73 3A 20 73 74");
        ByteBuffer header = ByteBuffer.wrap(bytes);

        assertThat(RequestHeader.size(header, 0)).isEqualTo(4096);
        assertThat(RequestHeader.address(header, 0)).isEqualTo(0x700000000000L);
        assertThat(RequestHeader.opcode(header, 0)).isEqualTo(Opcode.READ_V1);
    }

    @ParameterizedTest
    @CsvSource({
        "00,READ_V1",
        "01,WRITE_V1",
        "80,READ_V2",
        "81,WRITE_V2",
        "07,READ_V1",
        "82,READ_V2",
        "90,READ_CRC",
        "91,WRITE_CRC",
        "11,READ_V1",
        "FF,READ_V2"
    })
    void shouldTakeEveryOtherOpcodeForARead(String code, Opcode expected) {
        assertThat(Opcode.of((byte) Integer.parseInt(code, 16))).isEqualTo(expected);
    }

    @Test
    void shouldKeepSizesAndAddressesOf64Bits() {
        ByteBuffer buffer = ByteBuffer.allocate(24);

        RequestHeader.encode(buffer, 0, -1, Long.MIN_VALUE + 1, Opcode.READ_CRC);

        assertThat(RequestHeader.size(buffer, 0)).isEqualTo(-1);
        assertThat(RequestHeader.address(buffer, 0)).isEqualTo(Long.MIN_VALUE + 1);
        assertThat(RequestHeader.opcode(buffer, 0)).isEqualTo(Opcode.READ_CRC);
    }

    @ParameterizedTest
    @CsvSource({"0,00 00 00 00 56 54 43 4D", "1,01 00 00 00 56 54 43 4D", "2,02 00 00 00 56 54 43 4D"})
    void shouldEncodeTheGoldenStatusFrames(int code, String golden) {
        ByteBuffer buffer = ByteBuffer.allocate(8);

        StatusFrame.encode(buffer, 0, code);

        assertThat(hex(buffer, 0, 8)).isEqualTo(golden);
        assertThat(StatusFrame.isFrame(buffer, 0)).isTrue();
        assertThat(StatusFrame.code(buffer, 0)).isEqualTo(code);
    }

    @Test
    void shouldSeeThatPayloadIsNoStatusFrame() {
        assertThat(StatusFrame.isFrame(ByteBuffer.wrap(new byte[] {0, 0, 0, 0, 'M', 'C', 'T', 'V'}), 0))
                .isFalse();
    }

    @Test
    void shouldFrameATypedHandshake() throws WireException {
        HandshakeFrame frame = HandshakeFrame.of(HandshakeFrame.Type.PROBE, "{}");

        byte[] bytes = frame.encode();

        assertThat(HEX.formatHex(bytes)).isEqualTo("03 00 00 00 00 00 00 00 03 7B 7D");
        assertThat(decode(bytes)).isEqualTo(frame);
    }

    @Test
    void shouldFrameTheProtocolWithoutTypes() throws WireException {
        byte[] bytes = HEX.parseHex("02 00 00 00 00 00 00 00 7B 7D");

        HandshakeFrame frame = decode(bytes);

        assertThat(frame).isEqualTo(new HandshakeFrame(HandshakeFrame.Type.CONNECTION, false, "{}"));
        assertThat(frame.answer("{}").encode()).isEqualTo(bytes);
    }

    /** 790 is 0x0316: its bytes look like the start of a TLS record. */
    @Test
    void shouldAcceptALengthThatLooksLikeTls() throws WireException {
        HandshakeFrame frame = HandshakeFrame.of(HandshakeFrame.Type.METADATA, " ".repeat(789));

        byte[] bytes = frame.encode();

        assertThat(Arrays.copyOf(bytes, 2)).containsExactly(0x16, 0x03);
        assertThat(decode(bytes)).isEqualTo(frame);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "47 45 54 20 2F 20 48 54",
                "16 03 01 02 00 01 00 01",
                "00 00 00 00 00 00 00 00",
                "01 00 10 00 00 00 00 00",
                "FF FF FF FF FF FF FF FF"
            })
    void shouldRefuseProbesAndLengthsOutOfBounds(String prefix) {
        assertThatThrownBy(() -> HandshakeFrame.bodyBytes(HEX.parseHex(prefix), HandshakeFrame.DEFAULT_MAX_BYTES))
                .isInstanceOf(WireException.class);
    }

    @Test
    void shouldAllowAFrameOfExactlyTheLimit() throws WireException {
        assertThat(HandshakeFrame.bodyBytes(HEX.parseHex("00 00 10 00 00 00 00 00"), 1 << 20))
                .isEqualTo(1 << 20);
    }

    @Test
    void shouldAnswerAnyBytesWithAFrameOrAWireException() {
        SplittableRandom random = new SplittableRandom(20_261_122);
        for (int round = 0; round < 20_000; round++) {
            byte[] bytes = new byte[random.nextInt(64)];
            random.nextBytes(bytes);
            try {
                HandshakeFrame frame = HandshakeFrame.decode(bytes);
                assertThat(frame.json().length()).isLessThanOrEqualTo(bytes.length);
                SegmentDescriptor.parse(frame.json());
                Notification.parse(frame.json());
            } catch (WireException expected) {
                assertThat(expected).hasMessageMatching("(?s).+");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "127.0.0.2:15001,127.0.0.2,15001",
        "node-7,node-7,12001",
        "[::1]:15001,::1,15001",
        "[fe80::1],fe80::1,12001",
        "fe80::1,fe80::1,12001"
    })
    void shouldParseSegmentNames(String text, String host, int port) throws WireException {
        assertThat(SegmentName.parse(text)).isEqualTo(new SegmentName(host, port));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ":1", "host:", "host:x", "host:0", "host:65536", "[::1", "[::1]x"})
    void shouldRefuseWhatIsNoSegmentName(String text) {
        assertThatThrownBy(() -> SegmentName.parse(text)).isInstanceOf(WireException.class);
    }

    @Test
    void shouldBracketIpv6() {
        assertThat(new SegmentName("::1", 15001)).hasToString("[::1]:15001");
        assertThat(new SegmentName("127.0.0.2", 15001)).hasToString("127.0.0.2:15001");
    }

    @Test
    void shouldCarryNotificationsBothWays() throws WireException {
        Notification notification = new Notification("req-1", "done \"x\"");

        assertThat(notification.toJson()).isEqualTo("{\"name\":\"req-1\",\"notify_msg\":\"done \\\"x\\\"\"}\n");
        assertThat(Notification.parse(notification.toJson())).isEqualTo(notification);
        assertThatThrownBy(() -> Notification.parse("{\"name\":1}")).isInstanceOf(WireException.class);
    }

    private static HandshakeFrame decode(byte[] frame) throws WireException {
        int length = HandshakeFrame.bodyBytes(Arrays.copyOf(frame, 8), HandshakeFrame.DEFAULT_MAX_BYTES);
        assertThat(length).isEqualTo(frame.length - 8);
        return HandshakeFrame.decode(Arrays.copyOfRange(frame, 8, frame.length));
    }

    private static String hex(ByteBuffer buffer, int offset, int bytes) {
        byte[] copy = new byte[bytes];
        buffer.get(offset, copy);
        return HEX.formatHex(copy);
    }
}
