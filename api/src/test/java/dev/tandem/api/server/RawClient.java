package dev.tandem.api.server;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/** A client that sends exactly the bytes it is told to, and reads what comes. */
final class RawClient implements AutoCloseable {
    private static final int TIMEOUT_MS = 20_000;

    final Socket socket;
    private final InputStream in;

    RawClient(int port) {
        this(port, "127.0.0.1");
    }

    /** @param from the address that the server sees */
    RawClient(int port, String from) {
        try {
            socket = new Socket(InetAddress.getByName("127.0.0.1"), port, InetAddress.getByName(from), 0);
            socket.setSoTimeout(TIMEOUT_MS);
            in = new BufferedInputStream(socket.getInputStream());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    RawClient send(String text) {
        return send(text.getBytes(StandardCharsets.UTF_8));
    }

    RawClient send(byte[] bytes) {
        try {
            socket.getOutputStream().write(bytes);
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    RawClient get(String path) {
        return send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    }

    RawClient post(String path, String body) {
        int length = body.getBytes(StandardCharsets.UTF_8).length;
        return send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + "\r\n\r\n" + body);
    }

    /** Reads until the text has been seen, and returns all that came. */
    String readUntil(String end) {
        byte[] wanted = end.getBytes(StandardCharsets.UTF_8);
        byte[] seen = new byte[1024];
        int length = 0;
        try {
            while (length < wanted.length
                    || !Arrays.equals(seen, length - wanted.length, length, wanted, 0, wanted.length)) {
                int next = in.read();
                if (next < 0) {
                    throw new AssertionError("closed after: " + new String(seen, 0, length, StandardCharsets.UTF_8));
                }
                if (length == seen.length) {
                    seen = Arrays.copyOf(seen, 2 * length);
                }
                seen[length++] = (byte) next;
            }
            return new String(seen, 0, length, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("after: " + new String(seen, 0, length, StandardCharsets.UTF_8), e);
        }
    }

    /** Reads one answer with a Content-Length: its head, an empty line and its body. */
    String readAnswer() {
        String head = readUntil("\r\n\r\n");
        int at = head.toLowerCase(Locale.ROOT).indexOf("content-length: ");
        int length = Integer.parseInt(head.substring(at + 16, head.indexOf('\r', at)));
        try {
            return head + new String(in.readNBytes(length), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Reads until the other side closes. */
    String readAll() {
        try {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
