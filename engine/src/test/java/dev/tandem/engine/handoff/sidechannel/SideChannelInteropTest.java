package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;

/** Another implementation of ZeroMQ on the other end, with each of its socket types and both lengths of frames. */
@Timeout(120)
class SideChannelInteropTest {
    private static final String HOST = "127.0.0.1";
    private static final int[] SIZES = {1, 2, 254, 255, 256, 16_384, SideChannelCodec.MAX_REQUEST_BYTES};

    private final SideChannel channel =
            ZmtpSideChannel.start(HandoffLimits.standard(), new Counters<>(HandoffCounter.class));
    private final ZContext context = new ZContext();

    @AfterEach
    void close() {
        context.close();
        channel.close();
    }

    private static byte[] bytes(int size) {
        var bytes = new byte[size];
        new Random(size).nextBytes(bytes);
        return bytes;
    }

    private static String endpoint(int port) {
        return SideChannel.endpoint(HOST, Integer.toString(port));
    }

    private int echo() {
        return channel.listen(HOST, 0, 1, (first, rank) -> (peer, payload) -> Optional.of(payload));
    }

    private CompletableFuture<byte[]> ask(int port, byte[] payload) {
        var answer = new CompletableFuture<byte[]>();
        channel.execute(
                () -> channel.client().ask(endpoint(port), payload, answer::complete, answer::completeExceptionally));
        return answer.orTimeout(60, TimeUnit.SECONDS);
    }

    @Test
    void shouldAnswerReqSockets() {
        ZMQ.Socket req = context.createSocket(SocketType.REQ);
        req.connect(endpoint(echo()));
        for (int size : SIZES) {
            req.send(bytes(size));
            assertThat(req.recv()).isEqualTo(bytes(size));
        }
    }

    @Test
    void shouldAnswerDealersThatAskAheadInTheirOrder() {
        ZMQ.Socket dealer = context.createSocket(SocketType.DEALER);
        dealer.connect(endpoint(echo()));
        for (int size : SIZES) {
            dealer.send(new byte[0], ZMQ.SNDMORE);
            dealer.send(bytes(size));
        }
        for (int size : SIZES) {
            assertThat(dealer.recv()).isEmpty();
            assertThat(dealer.recv()).isEqualTo(bytes(size));
            assertThat(dealer.hasReceiveMore()).isFalse();
        }
    }

    /** A peer's identity is its own affair: two of one name are two connections. */
    @Test
    void shouldAnswerPeersOfTheSameIdentityEachOnItsOwnConnection() {
        int port = echo();
        ZMQ.Socket one = context.createSocket(SocketType.REQ);
        ZMQ.Socket other = context.createSocket(SocketType.REQ);
        for (ZMQ.Socket socket : new ZMQ.Socket[] {one, other}) {
            socket.setIdentity(new byte[] {7});
            socket.connect(endpoint(port));
        }
        one.send(bytes(1));
        other.send(bytes(2));
        assertThat(other.recv()).isEqualTo(bytes(2));
        assertThat(one.recv()).isEqualTo(bytes(1));
    }

    @Test
    void shouldBeAnsweredByRepSockets() {
        ZMQ.Socket rep = context.createSocket(SocketType.REP);
        int port = rep.bindToRandomPort("tcp://" + HOST);
        for (int size : SIZES) {
            CompletableFuture<byte[]> answer = ask(port, bytes(size));
            assertThat(rep.recv()).isEqualTo(bytes(size));
            rep.send(bytes(size + 1));
            assertThat(answer.join()).isEqualTo(bytes(size + 1));
        }
    }

    @Test
    void shouldBeAnsweredByRouters() {
        ZMQ.Socket router = context.createSocket(SocketType.ROUTER);
        int port = router.bindToRandomPort("tcp://" + HOST);
        for (int size : new int[] {0, 1, 255, 256, SideChannelCodec.MAX_METADATA_BYTES}) {
            CompletableFuture<byte[]> answer = ask(port, bytes(3));
            byte[] identity = router.recv();
            assertThat(router.recv()).isEmpty();
            assertThat(router.recv()).isEqualTo(bytes(3));
            router.send(identity, ZMQ.SNDMORE);
            router.send(new byte[0], ZMQ.SNDMORE);
            router.send(bytes(size));
            assertThat(answer.join()).isEqualTo(bytes(size));
        }
    }

    /** A node that was started again at the same port is asked over a connection of its own; nobody notices. */
    @Test
    void shouldAskAPeerThatWasStartedAgain() {
        int port;
        try (var first = new ZContext()) {
            ZMQ.Socket rep = first.createSocket(SocketType.REP);
            port = rep.bindToRandomPort("tcp://" + HOST);
            CompletableFuture<byte[]> answer = ask(port, bytes(1));
            rep.recv();
            rep.send(bytes(2));
            assertThat(answer.join()).isEqualTo(bytes(2));
        }
        ZMQ.Socket again = context.createSocket(SocketType.REP);
        again.bind(endpoint(port));
        CompletableFuture<byte[]> answer = ask(port, bytes(1));
        again.recv();
        again.send(bytes(4));
        assertThat(answer.join()).isEqualTo(bytes(4));
    }
}
