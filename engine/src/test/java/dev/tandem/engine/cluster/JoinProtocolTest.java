package dev.tandem.engine.cluster;

import static dev.tandem.engine.cluster.ClusterFixture.PATIENCE;
import static dev.tandem.engine.cluster.ClusterFixture.taken;
import static dev.tandem.engine.cluster.ClusterFixture.terms;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.cluster.ClusterFixture.Head;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A head among nodes that do not keep to the protocol. */
class JoinProtocolTest {
    private static final ClusterSecret SECRET = ClusterSecret.of("the cluster's secret");

    private final ClusterFixture cluster = new ClusterFixture();
    private Head head;

    @BeforeEach
    void start() throws IOException {
        head = cluster.head(0);
    }

    @AfterEach
    void close() {
        cluster.close();
    }

    /** A connection in the test's hands. */
    private final class Node implements FrameChannel.FrameHandler, AutoCloseable {
        final BlockingQueue<FrameKind> kinds = new LinkedBlockingQueue<>();
        final BlockingQueue<byte[]> challenges = new LinkedBlockingQueue<>();
        final BlockingQueue<Refusal> refusals = new LinkedBlockingQueue<>();
        final BlockingQueue<String> ends = new LinkedBlockingQueue<>();
        final BlockingQueue<Boolean> readersBehind = new LinkedBlockingQueue<>();
        final FrameChannel channel;
        private final boolean isPolite;
        private ConnectingGreeting greeting;

        /** @param isPolite greets as a node does */
        Node(boolean isPolite) throws IOException {
            this.isPolite = isPolite;
            this.channel = FrameChannel.connect(
                    ClusterFixture.loopback(head.head().port()), PATIENCE, ClusterFixture.LIMITS, opened -> {
                        greeting = new ConnectingGreeting(opened, terms(1, 4), ClusterSecret.none(), Wire.CLUSTER);
                        return this;
                    });
        }

        @Override
        public void received(FrameKind kind, ByteBuffer body) throws FrameException {
            if (kind == FrameKind.CHALLENGE) {
                challenges.add(BodyReader.read(body.slice(), reader -> {
                    reader.integer("version", 3, 3);
                    return reader.bytes("nonce", MutualProof.NONCE_BYTES);
                }));
            }
            if (kind == FrameKind.READER) {
                readersBehind.add(BodyReader.read(body, reader -> {
                    reader.longInteger("stream", 0, 0);
                    return reader.flag("is behind");
                }));
            }
            if (kind == FrameKind.REFUSED) {
                refusals.add(Refusal.decode(body));
            } else if (isPolite && (kind == FrameKind.CHALLENGE || kind == FrameKind.WELCOME)) {
                greeting.received(kind, body);
            }
            kinds.add(kind);
        }

        @Override
        public void closed(String cause) {
            ends.add(cause);
        }

        void awaitFrame(FrameKind kind) throws InterruptedException {
            assertThat(taken(kinds)).isEqualTo(kind);
        }

        Node joined() throws InterruptedException {
            awaitFrame(FrameKind.CHALLENGE);
            awaitFrame(FrameKind.WELCOME);
            awaitFrame(FrameKind.MEMBERS);
            return this;
        }

        @Override
        public void close() {
            channel.close();
        }
    }

    private static byte[] hello() {
        return hello(2);
    }

    private static byte[] hello(int version) {
        return new Hello(version, new byte[MutualProof.NONCE_BYTES], new byte[0], terms(1, 4)).encode();
    }

    @Test
    void shouldCompareTheProtocolVersionBeforeAnythingElse() throws Exception {
        try (var node = new Node(false)) {
            node.awaitFrame(FrameKind.CHALLENGE);
            node.channel.send(
                    FrameKind.HELLO,
                    new BodyWriter()
                            .integer(4)
                            .text("whatever that version says")
                            .toBytes());
            assertThat(taken(node.refusals)).isEqualTo(new Refusal("protocol version", "1 to 3", "4", true));
            assertThat(taken(node.ends)).isEqualTo("the peer closed it");
        }
    }

    @Test
    void shouldLetANodeOfVersionOneInWithoutASecret() throws Exception {
        try (var node = new Node(false)) {
            node.awaitFrame(FrameKind.CHALLENGE);
            node.channel.send(FrameKind.HELLO, hello(1));
            node.awaitFrame(FrameKind.WELCOME);
        }
    }

    @Test
    void shouldNameBothVersionsToANodeOfVersionOneThatCannotProveItself() throws Exception {
        head = cluster.head(0, terms(0, 1), SECRET);
        try (var node = new Node(false)) {
            node.awaitFrame(FrameKind.CHALLENGE);
            node.channel.send(FrameKind.HELLO, hello(1));
            assertThat(taken(node.refusals))
                    .isEqualTo(new Refusal("protocol version", "2 to 3 with a cluster secret", "1", true));
        }
    }

    @Test
    void shouldRefuseAHelloThatWasRecordedOnAnotherConnection() throws Exception {
        head = cluster.head(0, terms(0, 1), SECRET);
        byte[] recorded;
        try (var node = new Node(false)) {
            byte[] challenge = taken(node.challenges);
            var proof = new MutualProof(SECRET, Wire.CLUSTER, MutualProof.Side.CONNECTING);
            recorded = new Hello(2, proof.nonce(), proof.proof(challenge), terms(1, 4)).encode();
            node.awaitFrame(FrameKind.CHALLENGE);
            node.channel.send(FrameKind.HELLO, recorded);
            node.awaitFrame(FrameKind.WELCOME);
        }
        ClusterFixture.await(() -> head.head().members().placements().size() == 1);
        try (var node = new Node(false)) {
            node.awaitFrame(FrameKind.CHALLENGE);
            node.channel.send(FrameKind.HELLO, recorded);
            assertThat(taken(node.refusals)).isEqualTo(new Refusal("cluster token", "one", "another one", true));
        }
    }

    @Test
    void shouldTakeNothingBeforeHello() throws Exception {
        for (FrameKind kind : FrameKind.values()) {
            if (kind == FrameKind.HELLO || kind == FrameKind.HEARTBEAT) {
                continue;
            }
            try (var node = new Node(false)) {
                node.channel.send(kind, new byte[] {1});
                assertThat(taken(node.ends)).as(kind.name()).isNotBlank();
            }
        }
        assertThat(head.head().members().placements()).hasSize(1);
    }

    @Test
    void shouldSurviveDamagedGreetings() throws Exception {
        byte[] good = hello();
        for (int seed = 0; seed < 100; seed++) {
            var random = new SplittableRandom(seed);
            byte[] bad = random.nextInt(3) == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
            for (int flips = random.nextInt(1, 4); flips > 0 && bad.length > 0; flips--) {
                bad[random.nextInt(bad.length)] ^= (byte) random.nextInt(1, 256);
            }
            try (var node = new Node(false)) {
                node.channel.send(FrameKind.HELLO, bad);
                node.channel.finish("that was all");
                taken(node.ends);
            }
        }
        ClusterFixture.await(() -> head.head().missing().size() == 1); // who was let in by chance has left
        try (Node good2 = new Node(true).joined()) {
            assertThat(good2.channel.isClosed()).isFalse();
        }
    }

    @Test
    void shouldTakeOutANodeThatAnswersWhatNobodyAsked() throws Exception {
        try (Node node = new Node(true).joined()) {
            node.channel.send(FrameKind.TOKEN, EventCodec.encode(17, new Token(1, Optional.empty())));
            taken(node.ends);
        }
        ClusterFixture.await(() -> !head.head().missing().isEmpty());
        assertThat(head.head().statuses().getFirst().downReason())
                .contains("protocol error: stream is 17, but must be one that is open");
    }

    @Test
    void shouldTakeOutANodeThatSendsMoreTokensThanWereAskedFor() throws Exception {
        try (Node node = new Node(true).joined()) {
            TokenStream stream = head.replicas().submit(ClusterFixture.request("r", 2), OptionalInt.of(1));
            node.awaitFrame(FrameKind.SUBMIT);
            for (int i = 0; i < 3; i++) {
                node.channel.send(FrameKind.TOKEN, EventCodec.encode(0, new Token(i, Optional.empty())));
            }
            taken(node.ends);
            TokenEvent end = ClusterFixture.next(stream);
            while (end instanceof Token) {
                end = ClusterFixture.next(stream);
            }
            assertThat(((Failed) end).cause()).hasMessageContaining("tokens of a stream is 3, but must be at most 2");
        }
    }

    /** A stream that the test's node has been given, with more tokens than its reader may be behind. */
    private TokenStream unread(Node node) throws InterruptedException {
        TokenStream stream = head.replicas().submit(ClusterFixture.request("r", 5_000), OptionalInt.of(1));
        node.awaitFrame(FrameKind.SUBMIT);
        for (int i = 0; i < 2_000; i++) {
            node.channel.send(FrameKind.TOKEN, EventCodec.encode(0, new Token(i, Optional.empty())));
        }
        node.channel.send(FrameKind.STATUS, StatusCodec.encode(1, FakeReplica.status(0, 5)));
        ClusterFixture.await(() -> head.replicas().statuses().get(1).load().running() == 5); // the tokens are there
        return stream;
    }

    @Test
    void shouldTellANodeWhetherTheReaderOfAStreamIsBehind() throws Exception {
        try (Node node = new Node(true).joined()) {
            TokenStream stream = unread(node);
            node.awaitFrame(FrameKind.READER);
            assertThat(taken(node.readersBehind)).isTrue();
            for (int i = 0; i < 2_000; i++) {
                ClusterFixture.next(stream);
            }
            node.awaitFrame(FrameKind.READER);
            assertThat(taken(node.readersBehind)).isFalse();
            stream.close();
            node.awaitFrame(FrameKind.CLOSE);
        }
    }

    @Test
    void shouldTellANodeOfTheLastReleaseNothingThatItDoesNotKnow() throws Exception {
        try (var node = new Node(false)) {
            node.awaitFrame(FrameKind.CHALLENGE);
            node.channel.send(FrameKind.HELLO, hello(2));
            node.awaitFrame(FrameKind.WELCOME);
            node.awaitFrame(FrameKind.MEMBERS);
            TokenStream stream = unread(node);
            for (int i = 0; i < 2_000; i++) {
                ClusterFixture.next(stream);
            }
            stream.close();
            node.awaitFrame(FrameKind.CLOSE);
        }
    }

    @Test
    void shouldTakeOutANodeThatSpeaksForOtherRanks() throws Exception {
        try (Node node = new Node(true).joined()) {
            node.channel.send(FrameKind.STATUS, StatusCodec.encode(0, FakeReplica.status(0, 0)));
            taken(node.ends);
        }
        ClusterFixture.await(() -> !head.head().missing().isEmpty());
        assertThat(head.head().statuses().getFirst().downReason().orElseThrow())
                .contains("data-parallel rank is 0, but must be one of data-parallel ranks 1..3");
    }
}
