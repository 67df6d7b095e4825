package dev.tandem.transfer.tcp;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.WireException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Arrays;

/** Handshake frames over a blocking socket, under a deadline for the whole frame: a trickle of bytes does not prolong it. */
final class FrameSocket {
    private static final int FIRST_CHUNK_BYTES = 8 << 10;

    private FrameSocket() {}

    static HandshakeFrame read(Socket socket, Duration deadline, int maxBytes) throws IOException, WireException {
        long endNs = System.nanoTime() + deadline.toNanos();
        byte[] prefix = readFully(socket, HandshakeFrame.PREFIX_BYTES, endNs);
        int bodyBytes = HandshakeFrame.bodyBytes(prefix, maxBytes);
        return HandshakeFrame.decode(readFully(socket, bodyBytes, endNs));
    }

    static void write(Socket socket, HandshakeFrame frame) throws IOException {
        OutputStream out = socket.getOutputStream();
        out.write(frame.encode());
        out.flush();
    }

    /** Half-closes and waits for the other side to do the same, as Mooncake's server does. */
    static void awaitClose(Socket socket, Duration deadline) throws IOException {
        long endNs = System.nanoTime() + deadline.toNanos();
        socket.shutdownOutput();
        InputStream in = socket.getInputStream();
        byte[] ignored = new byte[256];
        try {
            do {
                setTimeout(socket, endNs);
            } while (in.read(ignored) >= 0);
        } catch (SocketTimeoutException e) {
            // The client had its time; closing now is all that is left to do.
        }
    }

    /** Grows with what has come, not with what was announced. */
    private static byte[] readFully(Socket socket, int bytes, long endNs) throws IOException {
        InputStream in = socket.getInputStream();
        byte[] buffer = new byte[Math.min(bytes, FIRST_CHUNK_BYTES)];
        int have = 0;
        while (have < bytes) {
            if (have == buffer.length) {
                buffer = Arrays.copyOf(buffer, Math.min(bytes, buffer.length * 2));
            }
            setTimeout(socket, endNs);
            int n = in.read(buffer, have, buffer.length - have);
            if (n < 0) {
                throw new EOFException("closed after " + have + " of " + bytes + " bytes");
            }
            have += n;
        }
        return buffer;
    }

    private static void setTimeout(Socket socket, long endNs) throws IOException {
        long leftMillis = Duration.ofNanos(endNs - System.nanoTime()).toMillis();
        if (leftMillis <= 0) {
            throw new SocketTimeoutException("handshake deadline passed");
        }
        socket.setSoTimeout((int) Math.min(leftMillis, Integer.MAX_VALUE));
    }
}
