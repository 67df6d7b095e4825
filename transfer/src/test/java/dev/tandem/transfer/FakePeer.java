package dev.tandem.transfer;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.transfer.wire.SegmentDescriptor;
import dev.tandem.transfer.wire.StatusFrame;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/** A peer whose data port does what a test says, connection by connection. Its memory is a pattern: byte i of address a is (a + i). */
final class FakePeer implements AutoCloseable {
    /** One data connection, on a thread of its own; closed when it returns. */
    interface Session {
        void serve(Link link) throws IOException;
    }

    /** A request as it came. */
    record Request(Opcode opcode, long address, int bytes) {}

    private final ServerSocket handshakes = listen();
    private final ServerSocket data = listen();
    private final ConcurrentLinkedQueue<Socket> open = new ConcurrentLinkedQueue<>();
    private final SegmentDescriptor.Tcp tcp;
    private final Session session;
    final AtomicInteger handshakeCount = new AtomicInteger();
    // Set before the first transfer is posted.
    volatile Runnable beforeHandshake = () -> {};
    volatile UnaryOperator<SegmentDescriptor> telling = UnaryOperator.identity();
    final AtomicInteger connectionCount = new AtomicInteger();

    FakePeer(int version, boolean offersCrc32c, Session session) {
        this.tcp = new SegmentDescriptor.Tcp(data.getLocalPort(), "", version, offersCrc32c);
        this.session = session;
        Thread.ofVirtual().start(() -> accept(handshakes, this::answerHandshake));
        Thread.ofVirtual().start(() -> accept(data, this::serve));
    }

    String name() {
        return "127.0.0.1:" + handshakes.getLocalPort();
    }

    static byte pattern(long address) {
        return (byte) (address * 31 + (address >>> 8));
    }

    /** The data port goes away, the handshake port stays: what a restarted peer's old port looks like. */
    void closeDataPort() throws IOException {
        data.close();
    }

    @Override
    public void close() throws IOException {
        handshakes.close();
        data.close();
        for (Socket socket : open) {
            socket.close();
        }
    }

    private static ServerSocket listen() {
        try {
            return new ServerSocket(0, 512, InetAddress.getByName("127.0.0.1"));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void accept(ServerSocket listening, Session each) {
        while (!listening.isClosed()) {
            try {
                Socket socket = listening.accept();
                open.add(socket);
                Thread.ofVirtual().start(() -> {
                    try (socket) {
                        each.serve(new Link(socket));
                    } catch (IOException expected) {
                        // the test's own doing: the client closed, or the peer was closed
                    }
                });
            } catch (IOException e) {
                return;
            }
        }
    }

    private void answerHandshake(Link link) throws IOException {
        handshakeCount.incrementAndGet();
        beforeHandshake.run();
        byte[] prefix = link.in.readNBytes(8);
        link.in.readNBytes((int) Long.reverseBytes(ByteBuffer.wrap(prefix).getLong()));
        SegmentDescriptor descriptor = new SegmentDescriptor(name(), List.of("tcp"), tcp, List.of());
        link.out.write(HandshakeFrame.of(
                        HandshakeFrame.Type.METADATA, telling.apply(descriptor).toJson("now"))
                .encode());
        link.socket.shutdownOutput();
        link.awaitEnd();
    }

    private void serve(Link link) throws IOException {
        connectionCount.incrementAndGet();
        session.serve(link);
    }

    /** A connection seen from the peer. */
    static final class Link {
        final Socket socket;
        final DataInputStream in;
        final OutputStream out;

        Link(Socket socket) throws IOException {
            this.socket = socket;
            this.in = new DataInputStream(socket.getInputStream());
            this.out = socket.getOutputStream();
            socket.setTcpNoDelay(true);
        }

        /** The next header; EOFException at the end. */
        Request request() throws IOException {
            ByteBuffer header = ByteBuffer.wrap(in.readNBytes(RequestHeader.BYTES));
            if (header.remaining() < RequestHeader.BYTES) {
                throw new EOFException();
            }
            return new Request(RequestHeader.opcode(header, 0), RequestHeader.address(header, 0), (int)
                    RequestHeader.size(header, 0));
        }

        void status(int code) throws IOException {
            ByteBuffer frame = ByteBuffer.allocate(StatusFrame.BYTES);
            StatusFrame.encode(frame, 0, code);
            out.write(frame.array());
        }

        void payload(Request request, int from, int to) throws IOException {
            byte[] bytes = new byte[to - from];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = pattern(request.address() + from + i);
            }
            out.write(bytes);
        }

        /** Serves a request as it should be served, by its own version. */
        void serve(Request request) throws IOException {
            if (request.opcode().isWrite()) {
                in.readNBytes(request.bytes());
            }
            if (request.opcode().hasStatus()) {
                status(StatusFrame.OK);
            }
            if (!request.opcode().isWrite()) {
                payload(request, 0, request.bytes());
            }
        }

        void serveAll() throws IOException {
            while (true) {
                serve(request());
            }
        }

        long awaitEnd() throws IOException {
            return in.transferTo(OutputStream.nullOutputStream());
        }
    }
}
