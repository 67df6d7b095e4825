package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.StrictJson;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** A node that answers by a script, down to the single byte. Health is answered by itself; everything else is kept for the test. */
final class FakeNode implements AutoCloseable {
    /** Answers one request. */
    interface Script {
        void answer(Request request, Peer peer) throws Exception;
    }

    /** A request as it came. */
    record Request(String method, String path, Map<String, String> headers, String body) {
        ObjectNode json() {
            return StrictJson.object(body.getBytes(StandardCharsets.UTF_8));
        }

        /** The ids of a cancel. */
        List<String> cancelled() {
            return json().has("request_id")
                    ? List.of(json().get("request_id").stringValue())
                    : json().get("request_ids")
                            .valueStream()
                            .map(JsonNode::stringValue)
                            .toList();
        }
    }

    private final ServerSocket listener;
    private final Script script;
    private final BlockingQueue<Request> seen = new LinkedBlockingQueue<>();
    private final BlockingQueue<Request> cancels = new LinkedBlockingQueue<>();
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private final List<Throwable> failures = new CopyOnWriteArrayList<>();
    volatile int healthStatus = 200;
    volatile int cancelStatus = 200;
    /** What answers to cancels wait for. */
    volatile CountDownLatch cancelGate = new CountDownLatch(0);
    /** As a process that was stopped: it takes connections and answers nothing. */
    volatile boolean hangs;
    /** What it says of itself, as one of ours does; a foreign node says nothing. */
    volatile String identity = "";

    FakeNode(Script script) {
        this(0, script);
    }

    FakeNode(int port, Script script) {
        this.script = script;
        try {
            listener = new ServerSocket();
            listener.setReuseAddress(true);
            listener.bind(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 100);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Thread.ofVirtual().start(this::accept);
    }

    /** A prefill node that lends to everybody. */
    static FakeNode prefill() {
        return new FakeNode(
                (request, peer) -> peer.json(200, "{\"id\":\"cmpl-1\",\"kv_transfer_params\":" + TICKET + "}"));
    }

    /** A decode node that answers everybody. */
    static FakeNode decode() {
        return new FakeNode((request, peer) -> peer.json(200, "{\"choices\":[{\"text\":\"ok\"}]}"));
    }

    static final String TICKET = "{\"do_remote_prefill\":true, \"do_remote_decode\":false,\"remote_block_ids\":[1,2,"
            + "18446744073709551615],\"remote_engine_id\":\"e0\",\"remote_host\":\"127.0.0.2\",\"remote_port\":30000,\"unknown\":{\"é\":1.50}}";

    int port() {
        return listener.getLocalPort();
    }

    HttpAddress address() {
        return new HttpAddress("127.0.0.1", port());
    }

    /** The next request that has come. */
    Request take() throws InterruptedException {
        return need(seen.poll(20, TimeUnit.SECONDS), "no request has come");
    }

    /** The next handoff cancel that has come. */
    Request takeCancel() throws InterruptedException {
        return need(cancels.poll(20, TimeUnit.SECONDS), "no cancel has come");
    }

    int waiting() {
        return seen.size();
    }

    int waitingCancels() {
        return cancels.size();
    }

    private static Request need(Request request, String problem) {
        if (request == null) {
            throw new AssertionError(problem);
        }
        return request;
    }

    @Override
    public void close() {
        try {
            listener.close();
            for (Socket socket : open) {
                socket.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (!failures.isEmpty()) {
            throw new AssertionError("the fake node's script failed", failures.getFirst());
        }
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = listener.accept();
                socket.setTcpNoDelay(true);
                open.add(socket);
                Thread.ofVirtual().start(() -> serve(socket));
            }
        } catch (IOException e) {
            // closed
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            InputStream in = new BufferedInputStream(socket.getInputStream());
            Peer peer = new Peer(socket, in);
            for (Request request = read(in); request != null && !socket.isClosed(); request = read(in)) {
                if (hangs) {
                    peer.awaitEnd();
                } else if (request.path().equals("/health")) {
                    peer.json(healthStatus, "");
                } else if (request.path().equals("/version")) {
                    peer.json(identity.isEmpty() ? 404 : 200, "{\"version\":\"1\",\"node\":" + identity + "}");
                } else if (request.path().equals("/v1/handoff/cancel")) {
                    cancels.add(request);
                    cancelGate.await();
                    peer.json(cancelStatus, "{}");
                } else {
                    seen.add(request);
                    script.answer(request, peer);
                }
            }
        } catch (IOException e) {
            // the other side has gone
        } catch (Throwable e) {
            failures.add(e);
        } finally {
            open.remove(socket);
        }
    }

    private static Request read(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.length() < 4 || !head.substring(head.length() - 4).equals("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                return null;
            }
            head.append((char) next);
        }
        String[] lines = head.toString().split("\r\n");
        Map<String, String> headers = new HashMap<>();
        for (int i = 1; i < lines.length; i++) {
            int colon = lines[i].indexOf(':');
            headers.put(
                    lines[i].substring(0, colon).toLowerCase(Locale.ROOT),
                    lines[i].substring(colon + 1).trim());
        }
        int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
        String body = new String(in.readNBytes(length), StandardCharsets.UTF_8);
        String[] first = lines[0].split(" ");
        return new Request(first[0], first[1], headers, body);
    }

    /** The other end of a connection. */
    static final class Peer {
        private final Socket socket;
        private final InputStream in;

        Peer(Socket socket, InputStream in) {
            this.socket = socket;
            this.in = in;
        }

        void json(int status, String body) throws IOException {
            int length = body.getBytes(StandardCharsets.UTF_8).length;
            send("HTTP/1.1 " + status + " X\r\nContent-Type: application/json\r\nContent-Length: " + length + "\r\n\r\n"
                    + body);
        }

        Peer startEvents() throws IOException {
            return send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n");
        }

        Peer chunk(String text) throws IOException {
            int length = text.getBytes(StandardCharsets.UTF_8).length;
            return send(Integer.toHexString(length) + "\r\n" + text + "\r\n");
        }

        void endChunks() throws IOException {
            send("0\r\n\r\n");
        }

        Peer send(String text) throws IOException {
            socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
            return this;
        }

        void close() throws IOException {
            socket.close();
        }

        void reset() throws IOException {
            socket.setSoLinger(true, 0);
            socket.close();
        }

        /** Waits until the gateway closes the connection. */
        void awaitEnd() throws IOException {
            try {
                int next = in.read();
                if (next >= 0) {
                    throw new AssertionError("bytes instead of the end: " + next);
                }
            } catch (IOException e) {
                // reset: an end as well
            }
            socket.close();
        }
    }
}
