package dev.tandem.transfer.tcp;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.SegmentName;
import dev.tandem.transfer.wire.WireException;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;

/** A connection to a peer's handshake port: one question, and a second one where the peer wants a proof. Blocking: on a virtual thread. */
public final class HandshakeClient implements Closeable {
    private final Socket socket;
    private final Duration deadline;

    private HandshakeClient(Socket socket, Duration deadline) {
        this.socket = socket;
        this.deadline = deadline;
    }

    /**
     * @param deadline to connect, and again for each whole reply
     * @throws IOException nobody answers there (in time: {@link java.net.SocketTimeoutException})
     */
    public static HandshakeClient connect(SegmentName peer, Duration deadline) throws IOException {
        var socket = new Socket();
        try {
            socket.setTcpNoDelay(true);
            socket.connect(new InetSocketAddress(peer.host(), peer.port()), Math.toIntExact(deadline.toMillis()));
            return new HandshakeClient(socket, deadline);
        } catch (IOException | RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /** The peer's address. */
    public InetAddress address() {
        return socket.getInetAddress();
    }

    /** @throws WireException what answers is not such a peer */
    public HandshakeFrame ask(HandshakeFrame request) throws IOException, WireException {
        FrameSocket.write(socket, request);
        HandshakeFrame reply = FrameSocket.read(socket, deadline, HandshakeFrame.DEFAULT_MAX_BYTES);
        if (reply.type() != request.type() || reply.isTyped() != request.isTyped()) {
            throw new WireException("asked for " + request.type() + ", answered with " + reply.type());
        }
        return reply;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
