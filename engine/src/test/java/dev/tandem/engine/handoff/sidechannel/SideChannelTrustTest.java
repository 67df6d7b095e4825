package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Side channels with a cluster secret, among peers that know it and peers that do not. */
@Timeout(60)
class SideChannelTrustTest {
    private static final String HOST = "127.0.0.1";
    private static final String THIS_YEAR = "the secret of this year";
    private static final String LAST_YEAR = "the secret of last year";
    private static final AddressList NOBODY = AddressList.empty();
    private static final byte[] QUESTION = {1};
    private static final byte[] ANSWER = {2};

    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    private static PeerTrust trust(String secret, AddressList foreign) {
        return new PeerTrust(secret.isEmpty() ? ClusterSecret.none() : ClusterSecret.of(secret), foreign);
    }

    private SideChannel channel(PeerTrust trust, Counters<HandoffCounter> counted) {
        HandoffLimits limits = HandoffLimits.standard();
        SideChannel channel = ZmtpSideChannel.start(limits, trust, counted);
        opened.push(channel);
        return channel;
    }

    /** The port of a side channel that answers. */
    private int listening(PeerTrust trust) {
        return channel(trust, counters).listen(HOST, 0, 1, (port, rank) -> (peer, payload) -> Optional.of(ANSWER));
    }

    private byte[] ask(PeerTrust trust, int port) throws Exception {
        SideChannel asker = channel(trust, new Counters<>(HandoffCounter.class));
        var answer = new CompletableFuture<byte[]>();
        asker.execute(() -> asker.client()
                .ask("tcp://" + HOST + ":" + port, QUESTION, answer::complete, answer::completeExceptionally));
        return answer.get(50, TimeUnit.SECONDS);
    }

    @Test
    void shouldTalkToPeersThatKnowTheSecret() throws Exception {
        assertThat(ask(trust(THIS_YEAR, NOBODY), listening(trust(THIS_YEAR, NOBODY))))
                .isEqualTo(ANSWER);
    }

    @Test
    void shouldAcceptBothSecretsWhileOneIsReplaced() throws Exception {
        int port = listening(trust(THIS_YEAR + "\n" + LAST_YEAR, NOBODY));
        assertThat(ask(trust(LAST_YEAR, NOBODY), port)).isEqualTo(ANSWER);
        assertThat(ask(trust(THIS_YEAR, NOBODY), port)).isEqualTo(ANSWER);
    }

    @Test
    void shouldRefuseAPeerWithoutTheSecretByName() {
        int port = listening(trust(THIS_YEAR, NOBODY));
        assertThatThrownBy(() -> ask(trust("", NOBODY), port))
                .isInstanceOf(ExecutionException.class)
                .hasMessageContaining("gives no proof of the cluster secret on the side channel");
        assertThat(counters.value(HandoffCounter.PEERS_UNPROVEN)).isPositive();
    }

    @Test
    void shouldRefuseAPeerWithAnotherSecret() {
        int port = listening(trust(THIS_YEAR, NOBODY));
        assertThatThrownBy(() -> ask(trust(LAST_YEAR, NOBODY), port))
                .hasMessageContaining("knows another cluster secret on the side channel");
    }

    @Test
    void shouldAskNobodyWhoDoesNotKnowTheSecret() {
        int port = listening(trust("", NOBODY));
        assertThatThrownBy(() -> ask(trust(THIS_YEAR, NOBODY), port))
                .hasMessageContaining("peer " + HOST + ":" + port + " gives no proof of the cluster secret");
    }

    @Test
    void shouldTalkToForeignPeersOfTheList() throws Exception {
        AddressList loopback = AddressList.parse("127.0.0.0/8");
        assertThat(ask(trust("", NOBODY), listening(trust(THIS_YEAR, loopback))))
                .isEqualTo(ANSWER);
        assertThat(ask(trust(THIS_YEAR, loopback), listening(trust("", NOBODY))))
                .isEqualTo(ANSWER);
        assertThat(ask(trust(THIS_YEAR, loopback), listening(trust(THIS_YEAR, NOBODY))))
                .isEqualTo(ANSWER);
        assertThat(ask(trust(THIS_YEAR, NOBODY), listening(trust(THIS_YEAR, loopback))))
                .isEqualTo(ANSWER);
    }

    @Test
    void shouldNameBothVersionsToAPeerThatIsTooOld() throws IOException {
        int port = listening(trust(THIS_YEAR, NOBODY));
        try (var old = new Dealer(port)) {
            old.send(command("READY", property("Socket-Type", "DEALER".getBytes(StandardCharsets.US_ASCII))));
            assertThat(old.rest()).contains("gives no proof", "the peer speaks 1, this side 2 with a cluster secret");
        }
    }

    @Test
    void shouldTakeNoMessageBeforeTheProof() throws IOException {
        int port = listening(trust(THIS_YEAR, NOBODY));
        try (var hasty = new Dealer(port)) {
            hasty.send(hasty.ready(new byte[MutualProof.NONCE_BYTES]));
            hasty.send(HexFormat.of().parseHex("0100000101"));
            assertThat(hasty.rest()).contains("gives no proof").endsWith("TANDEM_FOREIGN_PEERS here");
        }
    }

    @Test
    void shouldRefuseAProofThatWasRecordedOnAnotherConnection() throws IOException {
        int port = listening(trust(THIS_YEAR, NOBODY));
        var proof = new MutualProof(ClusterSecret.of(THIS_YEAR), Wire.SIDE_CHANNEL, Side.CONNECTING);
        byte[] recorded;
        try (var first = new Dealer(port)) {
            first.send(first.ready(proof.nonce()));
            recorded = command("TANDEM-PROOF", proof.proof(first.nonce()));
            first.send(recorded);
            first.send(HexFormat.of().parseHex("0100000101"));
            assertThat(first.rest()).contains("TANDEM-PROOF").endsWith("\u0001\u0002");
        }
        try (var second = new Dealer(port)) {
            second.send(second.ready(proof.nonce()));
            second.nonce();
            second.send(recorded);
            assertThat(second.rest()).contains("knows another cluster secret");
        }
    }

    private static byte[] command(String name, byte[]... parts) {
        var body = new ByteArrayOutputStream();
        body.write(name.length());
        body.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
        for (byte[] part : parts) {
            body.writeBytes(part);
        }
        return ByteBuffer.allocate(2 + body.size())
                .put((byte) 4)
                .put((byte) body.size())
                .put(body.toByteArray())
                .array();
    }

    private static byte[] property(String name, byte[] value) {
        return ByteBuffer.allocate(1 + name.length() + Integer.BYTES + value.length)
                .put((byte) name.length())
                .put(name.getBytes(StandardCharsets.US_ASCII))
                .putInt(value.length)
                .put(value)
                .array();
    }

    /** A peer byte by byte, behind its greeting. */
    private static final class Dealer implements AutoCloseable {
        private final Socket socket;

        Dealer(int port) throws IOException {
            socket = new Socket(HOST, port);
            socket.setSoTimeout(20_000);
            byte[] greeting = new byte[64];
            greeting[0] = (byte) 0xff;
            greeting[9] = 0x7f;
            greeting[10] = 3;
            System.arraycopy("NULL".getBytes(StandardCharsets.US_ASCII), 0, greeting, 12, 4);
            send(greeting);
            assertThat(socket.getInputStream().readNBytes(64)).hasSize(64);
        }

        byte[] ready(byte[] nonce) {
            return command(
                    "READY",
                    property("Socket-Type", "DEALER".getBytes(StandardCharsets.US_ASCII)),
                    property("X-Tandem-Version", new byte[] {'2'}),
                    property("X-Tandem-Nonce", nonce));
        }

        void send(byte[] bytes) throws IOException {
            socket.getOutputStream().write(bytes);
        }

        /** The last property of the peer's READY. */
        byte[] nonce() throws IOException {
            byte[] header = socket.getInputStream().readNBytes(2);
            byte[] body = socket.getInputStream().readNBytes(header[1] & 0xff);
            return Arrays.copyOfRange(body, body.length - MutualProof.NONCE_BYTES, body.length);
        }

        /** All that comes until the peer closes, or nothing more does. */
        String rest() throws IOException {
            var all = new ByteArrayOutputStream();
            socket.shutdownOutput();
            try {
                for (int next = socket.getInputStream().read();
                        next >= 0;
                        next = socket.getInputStream().read()) {
                    all.write(next);
                }
            } catch (SocketException reset) {
                all.write(new byte[0]);
            }
            return all.toString(StandardCharsets.ISO_8859_1);
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
