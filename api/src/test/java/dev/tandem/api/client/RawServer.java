package dev.tandem.api.client;

import dev.tandem.api.HttpAddress;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A server that gives the test each connection, to answer with exactly the bytes it wants. */
final class RawServer implements AutoCloseable {
    private final ServerSocket listener;
    private final BlockingQueue<Connection> accepted = new LinkedBlockingQueue<>();

    RawServer() {
        try {
            listener = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Thread.ofVirtual().start(() -> {
            try {
                while (true) {
                    accepted.add(new Connection(listener.accept()));
                }
            } catch (IOException e) {
                // closed by the test
            }
        });
    }

    HttpAddress address() {
        return new HttpAddress("127.0.0.1", listener.getLocalPort());
    }

    Connection accept() throws InterruptedException {
        Connection connection = accepted.poll(20, TimeUnit.SECONDS);
        if (connection == null) {
            throw new AssertionError("nobody has connected");
        }
        return connection;
    }

    int waiting() {
        return accepted.size();
    }

    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** One accepted connection. */
    static final class Connection {
        private final Socket socket;

        Connection(Socket socket) {
            this.socket = socket;
        }

        /** Reads one request whole. */
        String readRequest() {
            try {
                InputStream in = socket.getInputStream();
                StringBuilder head = new StringBuilder();
                while (!head.toString().endsWith("\r\n\r\n")) {
                    int next = in.read();
                    if (next < 0) {
                        throw new AssertionError("closed after " + head);
                    }
                    head.append((char) next);
                }
                int at = head.toString().toLowerCase(Locale.ROOT).indexOf("content-length: ");
                int length = at < 0 ? 0 : Integer.parseInt(head.substring(at + 16, head.indexOf("\r", at)));
                return head + new String(in.readNBytes(length), StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Waits until the client closes its side. */
        boolean readsEnd() {
            try {
                return socket.getInputStream().read() < 0;
            } catch (IOException e) {
                return true;
            }
        }

        Connection send(String text) {
            try {
                socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
                return this;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        void close() {
            try {
                socket.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        void reset() {
            try {
                socket.setSoLinger(true, 0);
                socket.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
