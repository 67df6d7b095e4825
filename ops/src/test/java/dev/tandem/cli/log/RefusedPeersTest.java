package dev.tandem.cli.log;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.channel.FrameListener;
import dev.tandem.transfer.tcp.HandshakeServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What ports say of strangers: a line per second at most, however many connections they refuse. */
@Timeout(60)
class RefusedPeersTest {
    private static final int STRANGERS = 50;
    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final ChannelLimits LIMITS = new ChannelLimits(Duration.ofSeconds(50), 1 << 20, 64, 1 << 20);

    @RegisterExtension
    final LogLines lines = new LogLines("dev.tandem", Level.INFO);

    private final long beganNs = System.nanoTime();

    /** A handler that lets everybody in, or nobody. */
    private static FrameChannel.FrameHandler handler(FrameChannel channel, boolean trusts) {
        if (trusts) {
            channel.trust();
        }
        return new FrameChannel.FrameHandler() {
            @Override
            public void received(FrameKind kind, ByteBuffer body) throws FrameException {
                throw new FrameException("first frame", "HELLO", kind);
            }

            @Override
            public void closed(String cause) {}
        };
    }

    /** Each connects, says this and waits until it is thrown out. */
    private static void sendStrangers(int port, byte[] nonsense) throws IOException {
        for (int i = 0; i < STRANGERS; i++) {
            try (var socket = new Socket(ANY_PORT.getAddress(), port)) {
                OutputStream out = socket.getOutputStream();
                out.write(nonsense);
                socket.getInputStream().readAllBytes();
            } catch (IOException reset) {
                assertThat(reset).hasMessageMatching("(?i).*(reset|broken pipe).*");
            }
        }
    }

    private void assertFewLines(String about) {
        List<String> said =
                lines.said().stream().filter(line -> line.contains(about)).toList();
        long seconds = (System.nanoTime() - beganNs) / 1_000_000_000;
        assertThat(said).hasSizeBetween(1, Math.toIntExact(seconds) + 1);
    }

    @Test
    void shouldSaySeldomThatStrangersSendNoFrames() throws IOException {
        try (FrameListener port =
                FrameListener.start(ANY_PORT, LIMITS, STRANGERS, channel -> handler(channel, false))) {
            sendStrangers(port.port(), new byte[64]);
        }
        assertFewLines("is refused");
    }

    @Test
    void shouldSaySeldomThatThereIsNoRoomForStrangers() throws IOException {
        try (FrameListener port = FrameListener.start(ANY_PORT, LIMITS, 1, channel -> handler(channel, true));
                var member = new Socket(ANY_PORT.getAddress(), port.port())) {
            sendStrangers(port.port(), new byte[0]);
            assertThat(member.isConnected()).isTrue();
        }
        assertFewLines("as many as may be");
    }

    @Test
    void shouldSaySeldomThatStrangersSendNoHandshake() throws IOException {
        var limits = new HandshakeServer.Limits(Duration.ofSeconds(50), STRANGERS, 1 << 20);
        try (HandshakeServer port =
                HandshakeServer.bind(ANY_PORT, limits, peer -> request -> HandshakeServer.Answer.NONE)) {
            port.start();
            sendStrangers(port.port(), new byte[64]);
        }
        assertFewLines("handshake refused");
    }
}
