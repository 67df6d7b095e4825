package dev.tandem.transfer.tcp;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.SegmentName;
import dev.tandem.transfer.wire.WireException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;

/** Asks a peer's handshake port one thing. Blocking: runs on a virtual thread. */
public final class HandshakeClient {
    private HandshakeClient() {}

    /**
     * @param deadline to connect, and again for the whole reply
     * @throws IOException nobody answers there (in time: {@link java.net.SocketTimeoutException})
     * @throws WireException what answers is not such a peer
     */
    public static HandshakeFrame exchange(SegmentName peer, HandshakeFrame request, Duration deadline)
            throws IOException, WireException {
        try (Socket socket = new Socket()) {
            socket.setTcpNoDelay(true);
            socket.connect(new InetSocketAddress(peer.host(), peer.port()), Math.toIntExact(deadline.toMillis()));
            FrameSocket.write(socket, request);
            HandshakeFrame reply = FrameSocket.read(socket, deadline, HandshakeFrame.DEFAULT_MAX_BYTES);
            if (reply.type() != request.type() || reply.isTyped() != request.isTyped()) {
                throw new WireException("asked for " + request.type() + ", answered with " + reply.type());
            }
            return reply;
        }
    }
}
