package dev.tandem.transfer.tcp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.transfer.tcp.HandshakeServer.Answer;
import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.WireException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class HandshakeServerTest {
    private static final int MOST = 8;
    private static final int SURPLUS = 12;

    private final List<Socket> sockets = new ArrayList<>();

    @AfterEach
    void close() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
    }

    private Socket connect(String from, int port) throws IOException {
        var socket = new Socket(InetAddress.ofLiteral("127.0.0.1"), port, InetAddress.ofLiteral(from), 0);
        sockets.add(socket);
        return socket;
    }

    @Test
    @Timeout(60)
    void shouldNotCloseAPeerThatCameFirstForAStrangerWithManyConnections() throws IOException {
        var limits = new HandshakeServer.Limits(Duration.ofSeconds(50), MOST, HandshakeFrame.DEFAULT_MAX_BYTES);
        try (HandshakeServer server =
                HandshakeServer.bind(new InetSocketAddress("127.0.0.1", 0), limits, peer -> request -> Answer.NONE)) {
            server.start();
            Socket peer = connect("127.0.0.2", server.port());
            for (int i = 0; i < MOST + SURPLUS; i++) {
                connect("127.0.0.1", server.port());
            }
            assertThat(sockets.get(SURPLUS).getInputStream().read())
                    .as("a stranger's")
                    .isEqualTo(-1);
            peer.setSoTimeout(1);
            assertThatThrownBy(() -> peer.getInputStream().read()).isInstanceOf(SocketTimeoutException.class);
        }
    }

    @Test
    @Timeout(60)
    void shouldAnswerAPeerWhileAStrangerHoldsEveryPlace() throws IOException, WireException {
        var limits = new HandshakeServer.Limits(Duration.ofSeconds(50), MOST, HandshakeFrame.DEFAULT_MAX_BYTES);
        try (HandshakeServer server = HandshakeServer.bind(
                new InetSocketAddress("127.0.0.1", 0), limits, peer -> request -> Answer.last(request.answer("{}")))) {
            server.start();
            for (int i = 0; i < MOST + SURPLUS; i++) {
                connect("127.0.0.1", server.port());
            }
            Socket peer = connect("127.0.0.2", server.port());
            FrameSocket.write(peer, HandshakeFrame.of(HandshakeFrame.Type.METADATA, "{}"));
            assertThat(FrameSocket.read(peer, Duration.ofSeconds(50), HandshakeFrame.DEFAULT_MAX_BYTES)
                            .json())
                    .isEqualTo("{}");
        }
    }

    @Test
    void shouldWaitForTheFirstFrameOfAProcessThatStarves() {
        assertThat(HandshakeServer.Limits.beside(1024).readDeadline()).isGreaterThanOrEqualTo(Duration.ofSeconds(10));
    }
}
