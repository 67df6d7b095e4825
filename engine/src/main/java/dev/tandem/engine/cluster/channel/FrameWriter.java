package dev.tandem.engine.cluster.channel;

import dev.tandem.engine.cluster.channel.FrameQueue.Turn;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes queued frames: what waits together leaves in one write, long bodies piece by piece. Owned by the writer thread; the reader thread
 * looks at how long the present piece has been on its way.
 */
final class FrameWriter {
    private static final int BUFFER_BYTES = 64 << 10;
    private static final long NONE = Long.MIN_VALUE;

    private final Socket socket;
    private final FrameQueue queue;
    private final ChannelLimits limits;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private volatile long pieceStartNs = NONE; // written by the writer, read by the reader thread

    FrameWriter(Socket socket, FrameQueue queue, ChannelLimits limits) {
        this.socket = socket;
        this.queue = queue;
        this.limits = limits;
    }

    /** Writes until no more frames will come. */
    void run() throws IOException, InterruptedException {
        OutputStream out = socket.getOutputStream();
        while (true) {
            switch (queue.next(buffer.position() == 0 ? limits.heartbeatNs() : 0)) {
                case Turn.Frame turn -> write(turn.frame(), out);
                case Turn.Pause pause when buffer.position() > 0 -> flush(out);
                case Turn.Pause pause -> {
                    new FrameHeader(FrameKind.HEARTBEAT, 0).encode(buffer);
                    flush(out);
                }
                case Turn.End last -> {
                    flush(out);
                    return;
                }
            }
        }
    }

    /** How long the piece that is being written has been waiting for the peer; 0 when there is none. */
    long stalledNs(long nowNs) {
        long start = pieceStartNs;
        return start == NONE ? 0 : nowNs - start;
    }

    private void write(Outgoing frame, OutputStream out) throws IOException {
        try {
            if (buffer.remaining() < FrameHeader.BYTES) {
                flush(out);
            }
            new FrameHeader(frame.kind(), frame.bytes()).encode(buffer);
            for (int at = 0; at < frame.bytes(); ) {
                if (!buffer.hasRemaining()) {
                    flush(out);
                }
                int piece = Math.min(buffer.remaining(), frame.bytes() - at);
                buffer.put(frame.body(), at, piece);
                at += piece;
            }
        } finally {
            frame.released().run();
        }
    }

    private void flush(OutputStream out) throws IOException {
        if (buffer.position() == 0) {
            return;
        }
        pieceStartNs = System.nanoTime();
        out.write(buffer.array(), 0, buffer.position());
        pieceStartNs = NONE;
        buffer.clear();
    }
}
