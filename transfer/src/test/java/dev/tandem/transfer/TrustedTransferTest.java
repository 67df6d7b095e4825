package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.Introduction;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.ProofFrames;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.transfer.wire.StatusFrame;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.DataInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Transfer engines with a cluster secret, among peers that know it and peers that do not. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class TrustedTransferTest {
    private static final String THIS_YEAR = "the secret of this year";
    private static final String LAST_YEAR = "the secret of last year";
    private static final AddressList LOOPBACK = AddressList.parse("127.0.0.0/8");
    private static final int SIZE = 1 << 20;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory = arena.allocate(SIZE);
    private final List<TransferEngine> engines = new ArrayList<>();
    private final List<Socket> sockets = new ArrayList<>();

    @AfterEach
    void close() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        engines.forEach(TransferEngine::close);
        arena.close();
    }

    private TransferEngine engine(String secret, AddressList foreign) {
        ClusterSecret known = secret.isEmpty() ? ClusterSecret.none() : ClusterSecret.of(secret);
        TransferEngine engine =
                TransferEngine.start(TransferConfig.of("127.0.0.1").with(new PeerTrust(known, foreign)));
        engines.add(engine);
        return engine;
    }

    private TransferEngine engine(String secret) {
        return engine(secret, AddressList.empty());
    }

    /** An engine that lends its memory. */
    private TransferEngine lender(String secret, AddressList foreign) {
        TransferEngine lender = engine(secret, foreign);
        for (int i = 0; i < SIZE; i++) {
            memory.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7 + (i >>> 8)));
        }
        lender.register(memory);
        return lender;
    }

    private TransferEngine lender(String secret) {
        return lender(secret, AddressList.empty());
    }

    private void read(TransferEngine reader, TransferEngine lender) {
        MemorySegment to = arena.allocate(SIZE);
        SpanBatch spans = new SpanBatch.Builder().add(0, memory.address(), SIZE).build(to);
        reader.read(lender.segmentName(), spans, Duration.ofSeconds(30)).done().join();
        assertThat(to.mismatch(memory)).isEqualTo(-1);
    }

    private void assertRefused(TransferEngine reader, TransferEngine lender, String... message) {
        assertThatThrownBy(() -> read(reader, lender))
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(TransferException.Kind.REJECTED))
                .hasMessageContainingAll(message);
    }

    @Test
    void shouldMoveBetweenEnginesThatKnowTheSecret() {
        TransferEngine lender = lender(THIS_YEAR);
        read(engine(THIS_YEAR), lender);
        assertThat(lender.counters().value(TransferCounter.SESSIONS_REFUSED)).isZero();
    }

    @Test
    void shouldRefuseAnEngineWithoutTheSecretByName() {
        TransferEngine lender = lender(THIS_YEAR);
        assertRefused(
                engine(""), lender, "gives no proof of the cluster secret on the transfer handshake", "127.0.0.1");
        assertThat(lender.counters().value(TransferCounter.HANDSHAKES_REFUSED)).isEqualTo(1);
    }

    @Test
    void shouldRefuseAnEngineWithAnotherSecret() {
        assertRefused(engine(LAST_YEAR), lender(THIS_YEAR), "knows another cluster secret on the transfer handshake");
    }

    @Test
    void shouldNotBelieveAnEngineThatDoesNotKnowTheSecret() {
        TransferEngine lender = lender("");
        assertRefused(engine(THIS_YEAR), lender, lender.segmentName() + " gives no proof of the cluster secret");
    }

    @Test
    void shouldAcceptBothSecretsWhileOneIsReplaced() {
        TransferEngine lender = lender(LAST_YEAR + "\n" + THIS_YEAR);
        read(engine(LAST_YEAR), lender);
        read(engine(THIS_YEAR + "\n" + LAST_YEAR), lender);
        read(engine(THIS_YEAR), lender);
    }

    @Test
    void shouldLetForeignEnginesOfTheListInAndCallThem() {
        read(engine(""), lender(THIS_YEAR, LOOPBACK));
        TransferEngine foreign = engine("");
        foreign.register(arena.allocate(64));
        assertThat(engine(THIS_YEAR, LOOPBACK).describe(foreign.segmentName()).buffers())
                .hasSize(1);
    }

    @Test
    void shouldProveItselfToAnEngineOfTheListThatWantsIt() {
        read(engine(THIS_YEAR, LOOPBACK), lender(THIS_YEAR));
        read(engine(THIS_YEAR), lender(THIS_YEAR, LOOPBACK));
    }

    @Test
    void shouldTellAForeignPeerNothing() throws IOException {
        TransferEngine lender = lender(THIS_YEAR);
        for (HandshakeFrame.Type type : HandshakeFrame.Type.values()) {
            assertThat(ask(dial(lender.rpcPort()), HandshakeFrame.of(type, "{}")))
                    .as(type.name())
                    .isEmpty();
        }
    }

    @Test
    void shouldNameBothVersionsToAPeerThatIsTooOld() throws IOException {
        TransferEngine lender = lender(THIS_YEAR);
        String answer = ask(
                dial(lender.rpcPort()),
                HandshakeFrame.of(HandshakeFrame.Type.METADATA, "{\"tandem\":{\"crc32c\":true}}"));
        assertThat(Introduction.parse(answer).refusal())
                .contains("gives no proof", "the peer speaks 1, this side 2 with a cluster secret");
    }

    @Test
    void shouldRefuseAHandshakeThatWasRecorded() throws IOException {
        TransferEngine lender = lender(THIS_YEAR);
        var proof = new MutualProof(ClusterSecret.of(THIS_YEAR), Wire.HANDSHAKE, Side.CONNECTING);
        String hello = Introduction.of(2).withNonce(proof.nonce()).toJson();
        Socket first = dial(lender.rpcPort());
        Introduction challenge = Introduction.parse(ask(first, metadata(hello)));
        String shown =
                Introduction.of(2).withProof(proof.proof(challenge.nonce())).toJson();
        assertThat(ask(first, metadata(shown))).contains("tcp_data_port");

        Socket second = dial(lender.rpcPort());
        ask(second, metadata(hello));
        assertThat(Introduction.parse(ask(second, metadata(shown))).refusal()).contains("knows another cluster secret");
    }

    @Test
    void shouldRefuseDataConnectionsWithoutAProof() throws IOException {
        TransferEngine lender = lender(THIS_YEAR);
        for (Opcode opcode : List.of(Opcode.READ_V1, Opcode.READ_V2, Opcode.WRITE_V2, Opcode.READ_CRC, Opcode.PROVE)) {
            Socket stranger = dial(lender.dataPort());
            ByteBuffer header = ByteBuffer.allocate(RequestHeader.BYTES);
            RequestHeader.encode(header, 0, 16, memory.address(), opcode);
            stranger.getOutputStream().write(header.array());
            stranger.shutdownOutput();
            assertThat(HexFormat.of().formatHex(stranger.getInputStream().readAllBytes()))
                    .as(opcode.name())
                    .isIn("", "010000005654434d");
        }
    }

    @Test
    void shouldRefuseADataConnectionThatWasRecorded() throws IOException {
        TransferEngine lender = lender(THIS_YEAR);
        var proof = new MutualProof(ClusterSecret.of(THIS_YEAR), Wire.DATA, Side.CONNECTING);
        byte[] hello = ProofFrames.hello(2, proof.nonce()).array();
        Socket first = dial(lender.dataPort());
        byte[] prove = ProofFrames.prove(proof.proof(ProofFrames.answerBody(answer(first, hello))))
                .array();
        assertThat(readMemory(first, prove)).isEqualTo(StatusFrame.OK);

        Socket second = dial(lender.dataPort());
        answer(second, hello);
        assertThat(readMemory(second, prove)).isEqualTo(StatusFrame.REJECTED);
        assertThat(lender.counters().value(TransferCounter.SESSIONS_REFUSED)).isEqualTo(1);
    }

    @Test
    void shouldListenAtThePortsThatItIsTold() {
        TransferEngine any = engine("");
        var ports = new TransferConfig.Ports(any.rpcPort(), any.dataPort());
        engines.remove(any);
        any.close();
        TransferEngine again =
                TransferEngine.start(TransferConfig.of("127.0.0.1").with(ports));
        engines.add(again);
        assertThat(again.rpcPort()).isEqualTo(ports.handshake());
        assertThat(again.describe(again.segmentName()).tcp().dataPort()).isEqualTo(ports.data());
    }

    private static HandshakeFrame metadata(String json) {
        return HandshakeFrame.of(HandshakeFrame.Type.METADATA, json);
    }

    private Socket dial(int port) throws IOException {
        var socket = new Socket("127.0.0.1", port);
        socket.setTcpNoDelay(true);
        sockets.add(socket);
        return socket;
    }

    /** The JSON of the answer; empty when there is none. */
    private static String ask(Socket socket, HandshakeFrame request) throws IOException {
        socket.getOutputStream().write(request.encode());
        byte[] prefix = socket.getInputStream().readNBytes(HandshakeFrame.PREFIX_BYTES);
        if (prefix.length == 0) {
            return "";
        }
        int bytes = (int) Long.reverseBytes(ByteBuffer.wrap(prefix).getLong());
        byte[] body = socket.getInputStream().readNBytes(bytes);
        return new String(body, 1, body.length - 1, StandardCharsets.UTF_8);
    }

    private static ByteBuffer answer(Socket socket, byte[] hello) throws IOException {
        socket.getOutputStream().write(hello);
        return ByteBuffer.wrap(socket.getInputStream().readNBytes(ProofFrames.ANSWER_BYTES));
    }

    /** The status of a read right behind a proof. */
    private int readMemory(Socket socket, byte[] prove) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(RequestHeader.BYTES);
        RequestHeader.encode(header, 0, 16, memory.address(), Opcode.READ_V2);
        socket.getOutputStream().write(prove);
        socket.getOutputStream().write(header.array());
        var in = new DataInputStream(socket.getInputStream());
        int status = Integer.reverseBytes(in.readInt());
        if (status != StatusFrame.OK) {
            return status;
        }
        in.readNBytes(ProofFrames.ANSWER_BYTES - Integer.BYTES);
        return Integer.reverseBytes(in.readInt());
    }
}
