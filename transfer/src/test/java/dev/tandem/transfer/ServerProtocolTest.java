package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.Notification;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.transfer.wire.SegmentDescriptor;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Our server seen from a raw socket: Mooncake's protocol byte by byte, and hostile bytes. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class ServerProtocolTest {
    private static final HexFormat HEX = HexFormat.ofDelimiter(" ").withUpperCase();
    private static final byte[] OK = HEX.parseHex("00 00 00 00 56 54 43 4D");
    private static final byte[] REJECTED = HEX.parseHex("01 00 00 00 56 54 43 4D");
    private static final int SIZE = 1 << 20;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory = arena.allocate(SIZE);
    private final TransferEngine engine = tolerating(Duration.ofSeconds(20));
    private final List<Socket> sockets = new ArrayList<>();

    ServerProtocolTest() {
        for (int i = 0; i < SIZE; i++) {
            memory.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7 + (i >>> 8)));
        }
        engine.register(memory);
    }

    @AfterEach
    void close() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        engine.close();
        arena.close();
    }

    @Test
    void shouldServeTheGoldenWriteAndAcknowledgeIt() throws IOException {
        Wire wire = dial();

        wire.send(header(0x81, memory.address() + 2000, 5), "hello".getBytes(StandardCharsets.US_ASCII));

        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(memory.asSlice(2000, 5).toArray(ValueLayout.JAVA_BYTE))
                .isEqualTo("hello".getBytes(StandardCharsets.US_ASCII));
    }

    @Test
    void shouldCutOffAWriterThatStallsInsideARegionThatGoes() throws IOException {
        try (var patient = TransferEngine.start(TransferConfig.of("127.0.0.1"))) {
            MemorySegment theirs = arena.allocate(100);
            Region goes = patient.register(theirs);
            Wire wire = dial(patient);
            wire.send(header(0x81, theirs.address(), 100), new byte[] {1, 2, 3});
            while (theirs.get(ValueLayout.JAVA_BYTE, 2) != 3) {
                Thread.onSpinWait();
            }

            patient.unregister(goes);

            assertThat(wire.isEnded()).isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"80", "82", "FF"})
    void shouldServeReadsWithAStatus(String opcode) throws IOException {
        Wire wire = dial();

        wire.send(header(Integer.parseInt(opcode, 16), memory.address() + 100, 70_000));

        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(wire.receive(70_000)).isEqualTo(bytes(100, 70_000));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 7, 0x11})
    void shouldServeReadsOfV1WithoutAStatus(int opcode) throws IOException {
        Wire wire = dial();

        wire.send(header(opcode, memory.address() + 100, 1_000));

        assertThat(wire.receive(1_000)).isEqualTo(bytes(100, 1_000));
    }

    @Test
    void shouldAnswerNothingToAWriteOfV1() throws IOException {
        Wire wire = dial();

        wire.send(header(0x01, memory.address(), 3), new byte[] {9, 8, 7}, header(0x00, memory.address(), 4));

        byte[] behind = bytes(3, 1);
        assertThat(wire.receive(4)).containsExactly(9, 8, 7, behind[0]); // the read's answer comes first
    }

    @Test
    void shouldWaitForAll24BytesOfAHeader() throws IOException {
        Wire wire = dial();
        byte[] header = header(0x80, memory.address(), 16);

        wire.send(Arrays.copyOf(header, 17));
        assertThat(wire.isSilent()).isTrue();
        wire.send(Arrays.copyOfRange(header, 17, 24));

        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(wire.receive(16)).isEqualTo(bytes(0, 16));
    }

    @Test
    void shouldAnswerPipelinedRequestsInOrder() throws IOException {
        Wire wire = dial();
        ByteBuffer requests = ByteBuffer.allocate(1 << 20);
        for (int i = 0; i < 1_000; i++) {
            requests.put(header(0x80, memory.address() + i, 100));
            requests.put(header(0x81, memory.address() + 900_000 + i * 3L, 3)).put(new byte[] {1, 2, (byte) i});
        }

        wire.send(Arrays.copyOf(requests.array(), requests.position()));

        for (int i = 0; i < 1_000; i++) {
            assertThat(wire.receive(8)).isEqualTo(OK);
            assertThat(wire.receive(100)).isEqualTo(bytes(i, 100));
            assertThat(wire.receive(8)).isEqualTo(OK);
        }
        for (int i = 0; i < 1_000; i++) {
            assertThat(bytes(900_000 + i * 3, 3)).containsExactly(1, 2, i);
        }
    }

    @Test
    void shouldServeRequestsThatArriveByteByByte() throws IOException {
        Wire wire = dial();
        byte[] header = header(0x81, memory.address() + 50, 10);
        for (byte each : header) {
            wire.send(new byte[] {each});
        }
        for (byte i = 0; i < 10; i++) {
            wire.send(new byte[] {i});
        }

        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(bytes(50, 10)).containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0", // empty
        "-1, 1", // before
        "-1, 2", // begins before
        "1048576, 1", // behind
        "1048575, 2", // ends behind
        "0, 1048577", // too long
        "0, -1", // 2^64 - 1
        "0, 9223372036854775807",
        "-9223372036854775808, 8"
    })
    void shouldRefuseAndCloseWithoutReadingTheBody(long offset, long size) throws IOException {
        for (int opcode : new int[] {0x80, 0x81, 0x90, 0x91}) {
            Wire wire = dial();

            wire.send(
                    header(0x80, memory.address(), 10), header(opcode, memory.address() + offset, size), new byte[100]);

            assertThat(wire.receive(8)).isEqualTo(OK);
            assertThat(wire.receive(10)).isEqualTo(bytes(0, 10));
            assertThat(wire.receive(8)).isEqualTo(REJECTED);
            assertThat(wire.isEnded()).isTrue();
        }
        assertThat(count(TransferCounter.REFUSED_REQUESTS)).isEqualTo(4);
    }

    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x01})
    void shouldRefuseInV1ByClosing(int opcode) throws IOException {
        Wire wire = dial();

        wire.send(header(opcode, 1, 100));

        assertThat(wire.isEnded()).isTrue();
    }

    @Test
    void shouldRefuseALargeWriteWhileItsBodyIsStillComing() throws IOException {
        Wire wire = dial();
        wire.send(header(0x81, 1, 1L << 40));
        try {
            for (int i = 0; i < 10_000; i++) {
                wire.send(new byte[64 << 10]);
            }
        } catch (IOException expected) {
            // reset: the server does not drain
        }

        assertThat(count(TransferCounter.REFUSED_REQUESTS)).isEqualTo(1);
    }

    @Test
    void shouldSumReadsAndCheckWrites() throws IOException {
        Wire wire = dial();
        byte[] body = new byte[100_000];
        new SplittableRandom(5).nextBytes(body);
        byte[] right = trailer(body);
        byte[] wrong = trailer(new byte[1]);

        wire.send(header(0x91, memory.address() + 7, body.length), body, right);
        wire.send(header(0x90, memory.address() + 7, body.length));
        wire.send(header(0x91, memory.address() + 7, body.length), body, wrong);
        wire.send(header(0x80, memory.address(), 1));

        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(wire.receive(body.length)).isEqualTo(body);
        assertThat(wire.receive(4)).isEqualTo(right);
        assertThat(wire.receive(8)).isEqualTo(HEX.parseHex("02 00 00 00 56 54 43 4D"));
        assertThat(wire.receive(9)).startsWith(OK); // and goes on
        assertThat(count(TransferCounter.SERVED_CHECKSUM_ERRORS)).isEqualTo(1);
    }

    @Test
    void shouldTakeTheEndOfTheStreamAtAHeaderAsNormal() throws IOException {
        Wire wire = dial();
        wire.send(header(0x80, memory.address(), 1));
        wire.receive(9);

        wire.socket.shutdownOutput();

        assertThat(wire.isEnded()).isTrue();
        assertThat(count(TransferCounter.SESSIONS_STALLED)).isZero();
    }

    @Test
    void shouldCloseASessionThatStallsInsideARequest() throws IOException {
        try (var hasty = tolerating(Duration.ofMillis(400))) {
            hasty.register(memory);
            Wire wire = dial(hasty);

            wire.send(header(0x81, memory.address(), 1_000), new byte[999]);

            assertThat(wire.isEnded()).isTrue();
            assertThat(hasty.counters().value(TransferCounter.SESSIONS_STALLED)).isEqualTo(1);
        }
    }

    @Test
    void shouldSurviveRandomBytes() throws IOException {
        SplittableRandom random = new SplittableRandom(11);
        for (int round = 0; round < 200; round++) {
            Wire wire = dial();
            byte[] bytes = new byte[1 + random.nextInt(200)];
            random.nextBytes(bytes);
            if (random.nextBoolean() && bytes.length >= 24) { // close to a request that would be granted
                ByteBuffer.wrap(bytes)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(random.nextInt(2 * SIZE))
                        .putLong(memory.address() + random.nextInt(-10, SIZE));
            }
            wire.send(bytes);
            wire.socket.close();
        }
        Wire wire = dial();
        wire.send(header(0x80, memory.address(), 1));
        assertThat(wire.receive(8)).isEqualTo(OK);
        assertThat(engine.isRunning()).isTrue();
    }

    @Test
    void shouldAnswerEachHandshakeWithItsType() throws IOException {
        assertThat(handshake("03 00 00 00 00 00 00 00 03 7B 7D")).isEqualTo("\u0003{\"status\":\"success\"}\n");
        assertThat(handshake("03 00 00 00 00 00 00 00 01 7B 7D")).startsWith("\u0001{\"buffers\":[{\"addr\":");
        assertThat(handshake("05 00 00 00 00 00 00 00 01 6E 75 6C 6C")).contains("\"tcp_proto_version\":2");
        assertThat(handshake("03 00 00 00 00 00 00 00 00 7B 7D"))
                .startsWith("\u0000{")
                .contains("\"qp_num\":[]");
        assertThat(handshake("02 00 00 00 00 00 00 00 7B 7D")).startsWith("{").contains("\"qp_num\":[]");
    }

    /** As 0.3.13.post1 answered. */
    @Test
    void shouldAnswerAConnectionHandshakeAsMooncakeDoes() throws IOException {
        assertThat(handshake("03 00 00 00 00 00 00 00 00 7B 7D"))
                .isEqualTo("\u0000{\"local_gid\":\"\",\"local_lid\":0,\"local_nic_path\":\"\",\"payload\":\"\","
                        + "\"peer_nic_path\":\"\",\"qp_num\":[],\"reply_msg\":\"\"}\n");
    }

    @Test
    void shouldAnswerNotificationsAsMooncakeDoes() throws IOException {
        Notification sent = new Notification("req-1", "done");
        byte[] frame =
                HandshakeFrame.of(HandshakeFrame.Type.NOTIFY, sent.toJson()).encode();

        assertThat(handshake(HEX.formatHex(frame))).isEqualTo("\u0002{\"name\":\"\",\"notify_msg\":\"success\"}\n");
        assertThat(engine.counters().value(TransferCounter.NOTIFICATIONS_DROPPED))
                .isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "00 00 00 00 00 00 00 00",
                "01 00 10 00 00 00 00 00 01",
                "47 45 54 20 2F 20 48 54 54 50",
                "16 03 01 02 00 01 00 01 FC",
                "03 00 00 00 00 00 00 00 02 7B 7D"
            })
    void shouldCloseOnABadHandshakeWithoutAnswer(String hex) throws IOException {
        try (var hasty = tolerating(Duration.ofMillis(400))) {
            assertThat(handshake(hasty, hex)).isEmpty();
        }
    }

    @Test
    void shouldAnswerHandshakesWhileIdleProbesHang() throws IOException {
        for (int i = 0; i < 300; i++) {
            sockets.add(new Socket("127.0.0.1", engine.rpcPort()));
        }

        assertThat(handshake("03 00 00 00 00 00 00 00 03 7B 7D")).contains("success");
    }

    @Test
    void shouldDescribeItself() {
        SegmentDescriptor descriptor = engine.describe(engine.segmentName());

        assertThat(descriptor.name()).isEqualTo(engine.segmentName());
        assertThat(descriptor.tcp().version()).isEqualTo(2);
        assertThat(descriptor.tcp().offersCrc32c()).isTrue();
        assertThat(descriptor.buffers())
                .containsExactly(new SegmentDescriptor.Buffer(engine.segmentName(), memory.address(), SIZE));
    }

    /** An engine that bears so long a silence while bytes are owed. */
    private static TransferEngine tolerating(Duration silence) {
        return TransferEngine.start(new TransferConfig(
                        "127.0.0.1",
                        0,
                        TransferConfig.Flow.DEFAULT,
                        true,
                        new TransferConfig.Timeouts(Duration.ofSeconds(5), silence))
                .with(new TransferConfig.Bounds(
                        1024, 1024, 1000, Duration.ofDays(1)))); // one host makes many mistakes here
    }

    private Wire dial() throws IOException {
        return dial(engine);
    }

    private Wire dial(TransferEngine peer) throws IOException {
        Socket socket =
                new Socket("127.0.0.1", peer.describe(peer.segmentName()).tcp().dataPort());
        socket.setTcpNoDelay(true);
        sockets.add(socket);
        return new Wire(socket);
    }

    private String handshake(String hex) throws IOException {
        return handshake(engine, hex);
    }

    /** What comes back behind the length, as text; empty if nothing does. */
    private static String handshake(TransferEngine peer, String hex) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", peer.rpcPort())) {
            socket.getOutputStream().write(HEX.parseHex(hex));
            byte[] reply;
            try {
                reply = socket.getInputStream().readAllBytes();
            } catch (IOException reset) {
                return ""; // closed with bytes of ours unread
            }
            if (reply.length == 0) {
                return "";
            }
            assertThat(ByteBuffer.wrap(reply).order(ByteOrder.LITTLE_ENDIAN).getLong())
                    .isEqualTo(reply.length - 8);
            return new String(reply, 8, reply.length - 8, StandardCharsets.UTF_8);
        }
    }

    private long count(TransferCounter counter) {
        return engine.counters().value(counter);
    }

    private byte[] bytes(int offset, int length) {
        return memory.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE);
    }

    private static byte[] header(int opcode, long address, long size) {
        ByteBuffer buffer = ByteBuffer.allocate(RequestHeader.BYTES);
        RequestHeader.encode(buffer, 0, size, address, Opcode.READ_V1);
        return buffer.put(16, (byte) opcode).array();
    }

    private static byte[] trailer(byte[] body) {
        CRC32C sum = new CRC32C();
        sum.update(body);
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt((int) sum.getValue())
                .array();
    }

    private static final class Wire {
        private final Socket socket;
        private final DataInputStream in;
        private final OutputStream out;

        private Wire(Socket socket) throws IOException {
            this.socket = socket;
            this.in = new DataInputStream(socket.getInputStream());
            this.out = socket.getOutputStream();
        }

        void send(byte[]... parts) throws IOException {
            int total = Arrays.stream(parts).mapToInt(part -> part.length).sum();
            ByteBuffer joined = ByteBuffer.allocate(total);
            for (byte[] part : parts) {
                joined.put(part);
            }
            out.write(joined.array());
        }

        byte[] receive(int bytes) throws IOException {
            byte[] received = new byte[bytes];
            in.readFully(received);
            return received;
        }

        boolean isSilent() throws IOException {
            return in.available() == 0;
        }

        /** Whether the stream ends without another byte; a reset is an end. */
        boolean isEnded() {
            try {
                return in.read() < 0;
            } catch (IOException e) {
                return true;
            }
        }
    }
}
