package dev.tandem.preflight.host;

import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * One connection of a barrier. Used by one thread at a time; {@link #close} may come from another.
 *
 * <pre>
 *   | length: 4 bytes, big endian, 1 to 16 MiB | one JSON object, UTF-8 |
 * </pre>
 */
final class BarrierConnection implements Closeable {
    private static final int MAX_FRAME_BYTES = 16 << 20;

    private final Socket socket;
    private final DataInputStream in;
    private final DataOutputStream out;

    BarrierConnection(Socket socket) throws IOException {
        this.socket = socket;
        socket.setTcpNoDelay(true);
        this.in = new DataInputStream(socket.getInputStream());
        this.out = new DataOutputStream(socket.getOutputStream());
    }

    /** Address and port of the other side, for messages. */
    String peer() {
        return String.valueOf(socket.getRemoteSocketAddress());
    }

    /** Longest wait of the next reads; 0 for none: the barrier's watch closes the connection then. */
    void limitReads(int milliseconds) throws IOException {
        socket.setSoTimeout(milliseconds);
    }

    /** Whole frames only: a welcome may still be on its way when the first round fails. */
    synchronized void write(ObjectNode frame) throws IOException {
        byte[] bytes = JsonMapper.shared().writeValueAsBytes(frame);
        if (bytes.length > MAX_FRAME_BYTES) {
            throw new IOException("a frame of " + bytes.length + " bytes exceeds " + MAX_FRAME_BYTES);
        }
        out.writeInt(bytes.length);
        out.write(bytes);
        out.flush();
    }

    ObjectNode read() throws IOException {
        int length = readLength();
        if (length < 1 || length > MAX_FRAME_BYTES) {
            throw new IOException("a frame of " + Integer.toUnsignedString(length) + " bytes is outside [1, "
                    + MAX_FRAME_BYTES + "]");
        }
        byte[] bytes = in.readNBytes(length);
        try {
            if (bytes.length == length && JsonMapper.shared().readTree(bytes) instanceof ObjectNode frame) {
                return frame;
            }
        } catch (JacksonException e) {
            throw new IOException("a frame that is not valid JSON", e);
        }
        throw new IOException("a frame that is not a whole JSON object");
    }

    private int readLength() throws IOException {
        try {
            return in.readInt();
        } catch (EOFException e) {
            throw new IOException("the other side closed the connection", e);
        }
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            // Closing is all that can be done to a connection, and it is not open any more.
            return;
        }
    }
}
