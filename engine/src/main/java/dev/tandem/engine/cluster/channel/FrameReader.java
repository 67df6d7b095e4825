package dev.tandem.engine.cluster.channel;

import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;

/**
 * Reads frames under the deadlines of a connection; its socket's reads give up after a quarter of the allowed silence, so that it looks at
 * them. Owned by the reader thread, but for {@link #awaitEnd}.
 */
final class FrameReader {
    private static final int FIRST_BODY_BYTES = 4 << 10;

    private final Socket socket;
    private final ChannelLimits limits;
    private final FrameWriter writer;
    private final long openedByNs;
    private final byte[] header = new byte[FrameHeader.BYTES];
    private byte[] body = new byte[FIRST_BODY_BYTES]; // as long as the longest body so far; used again
    private boolean isOpened;
    private long lastByteNs;
    private volatile long endByNs; // set by the writer thread when nothing more will be written; 0 before

    FrameReader(Socket socket, ChannelLimits limits, FrameWriter writer) {
        this.socket = socket;
        this.limits = limits;
        this.writer = writer;
        this.lastByteNs = System.nanoTime();
        this.openedByNs = lastByteNs + limits.silence().toNanos();
    }

    /** The next header; waits for it. */
    FrameHeader header(int maxBodyBytes) throws IOException, FrameException {
        fill(header, header.length, true);
        return FrameHeader.decode(header, maxBodyBytes);
    }

    /** The body behind it, little-endian; the buffer is used again for the next. */
    ByteBuffer body(int bytes) throws IOException, FrameException {
        if (bytes > body.length) {
            body = new byte[bytes];
        }
        fill(body, bytes, false);
        return ByteBuffer.wrap(body, 0, bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The peer has sent a frame that is more than a heartbeat. */
    void opened() {
        isOpened = true;
    }

    /** Writer thread: the peer is to close, too, within the allowed silence. */
    void awaitEnd() {
        endByNs = System.nanoTime() + limits.silence().toNanos();
    }

    private void fill(byte[] into, int bytes, boolean isHeader) throws IOException, FrameException {
        for (int have = 0; have < bytes; ) {
            boolean isSilent = false;
            try {
                int read = socket.getInputStream().read(into, have, bytes - have);
                if (read < 0) {
                    throw new EOFException(
                            isHeader && have == 0
                                    ? "the peer closed it"
                                    : "the peer closed it in the middle of a frame");
                }
                have += read;
                lastByteNs = System.nanoTime();
            } catch (SocketTimeoutException nothingCame) {
                isSilent = socket.getInputStream().available() == 0;
            }
            requireInTime(isSilent, System.nanoTime());
        }
    }

    private void requireInTime(boolean isSilent, long nowNs) throws IOException, FrameException {
        Duration silence = limits.silence();
        if (isSilent && nowNs - lastByteNs > silence.toNanos()) {
            throw new IOException("the peer was silent for " + silence.toMillis() + " ms");
        }
        if (writer.stalledNs(nowNs) > silence.toNanos()) {
            throw new IOException("the peer took nothing of what was written for " + silence.toMillis() + " ms");
        }
        if (endByNs != 0 && nowNs - endByNs > 0) {
            throw new IOException("the peer did not close within " + silence.toMillis() + " ms");
        }
        if (!isOpened && nowNs - openedByNs > 0) {
            throw new FrameException("time of the first frame", "at most " + silence.toMillis() + " ms", "longer");
        }
    }
}
