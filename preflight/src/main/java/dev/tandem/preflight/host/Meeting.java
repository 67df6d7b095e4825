package dev.tandem.preflight.host;

import dev.tandem.preflight.host.MeetingException.Kind;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The same command on several hosts at once: everybody connects to the first address of a list that all have, and in each round everybody
 * gives a value and gets those of all, in the list's order. A round is also a barrier: nobody leaves it before all have come.
 *
 * <pre>
 *   node i -> first: {"subject": {...}, "index": i}                 first -> node i: {"welcome": true} or {"refused": "..."}
 *   node i -> first: {"round": "facts", "value": ...}               first -> node i: {"round": "facts", "values": [...]}
 * </pre>
 *
 * Nothing secret is said and nothing is run: whoever can connect can at most keep a meeting from coming about. Used by one thread. Every
 * wait has a limit: a watch closes the connections when it is reached.
 */
public final class Meeting implements AutoCloseable {
    private static final Duration HELLO_LIMIT = Duration.ofSeconds(5);
    private static final int MAX_NODES = 1024;
    private static final int MAX_STRANGERS = 64;
    private static final int ACCEPT_PERIOD_MS = 200;
    private static final int RETRY_PERIOD_MS = 100;
    private static final int PROGRESS_PERIOD_MS = 1_000;

    private final Seats seats;
    private final Map<Integer, MeetingFrames> connections; // first: by index of the others; others: 0 -> the first

    private Meeting(Seats seats, Map<Integer, MeetingFrames> connections) {
        this.seats = seats;
        this.connections = connections;
    }

    /**
     * Who meets.
     *
     * @param addresses of all nodes, in the order that all were told; the first is where they meet
     * @param index of this node
     * @param port of the first address
     */
    public record Seats(List<String> addresses, int index, int port) {
        public Seats {
            addresses = List.copyOf(addresses);
            if (addresses.size() > MAX_NODES || index < 0 || index >= addresses.size()) {
                throw new IllegalArgumentException(
                        "index " + index + " of " + addresses.size() + " addresses; at most " + MAX_NODES + " meet");
            }
        }

        boolean isFirst() {
            return index == 0;
        }

        String own() {
            return addresses.get(index);
        }
    }

    /**
     * Waits for everybody.
     *
     * @param subject what this node was started for; every field must be equal on all nodes
     * @param progress hears, about once a second, what is waited for
     * @throws MeetingException MISSING with the addresses that did not come, REFUSED with the field that differs
     */
    public static Meeting open(Seats seats, ObjectNode subject, Duration limit, Consumer<String> progress)
            throws InterruptedException {
        long deadlineNs = System.nanoTime() + limit.toNanos();
        try {
            return new Meeting(
                    seats,
                    seats.isFirst()
                            ? new Reception(seats, subject, progress).gather(deadlineNs)
                            : join(seats, subject, deadlineNs, progress));
        } catch (IOException e) {
            throw new MeetingException(
                    Kind.BROKEN, "the nodes cannot meet at " + place(seats) + ": " + e.getMessage(), e);
        }
    }

    private static String place(Seats seats) {
        return seats.addresses().getFirst() + " port " + seats.port();
    }

    /**
     * One round.
     *
     * @param round its name, to notice nodes that are elsewhere
     * @return values of all nodes in the order of the addresses
     * @throws MeetingException when somebody leaves or the limit passes
     */
    public List<JsonNode> exchange(String round, JsonNode value, Duration limit) throws InterruptedException {
        Thread watch = watch(limit);
        try {
            return seats.isFirst() ? collect(round, value) : give(round, value);
        } finally {
            watch.interrupt();
            watch.join();
        }
    }

    private List<JsonNode> collect(String round, JsonNode own) {
        var values = new TreeMap<Integer, JsonNode>();
        values.put(0, own);
        connections.forEach((index, connection) -> values.put(index, valueOf(index, connection, round)));
        ArrayNode all = JsonMapper.shared().createArrayNode();
        values.values().forEach(all::add);
        ObjectNode frame = JsonMapper.shared().createObjectNode().put("round", round);
        frame.set("values", all);
        connections.forEach(
                (index, connection) -> send(connection, frame, seats.addresses().get(index)));
        return List.copyOf(values.values());
    }

    private JsonNode valueOf(int index, MeetingFrames connection, String round) {
        String address = seats.addresses().get(index);
        try {
            ObjectNode frame = connection.read();
            JsonNode value = frame.get("value");
            if (value != null && frame.path("round").asString("").equals(round)) {
                return value;
            }
            throw broken("node " + address + " is at " + frame.path("round") + ", the others at " + round);
        } catch (IOException e) {
            throw broken("node " + address + " did not come to round " + round + ": " + e.getMessage());
        }
    }

    /** Tells the others before it gives up. */
    private MeetingException broken(String reason) {
        ObjectNode frame = JsonMapper.shared().createObjectNode().put("refused", reason);
        connections.values().forEach(connection -> tell(connection, frame));
        return new MeetingException(Kind.BROKEN, reason);
    }

    private static void tell(MeetingFrames connection, ObjectNode frame) {
        try {
            connection.write(frame);
        } catch (IOException e) {
            // It has gone already; whoever tells has its own reason to report.
            connection.close();
        }
    }

    private static void send(MeetingFrames connection, ObjectNode frame, String address) {
        try {
            connection.write(frame);
        } catch (IOException e) {
            throw new MeetingException(Kind.BROKEN, "node " + address + " has left: " + e.getMessage(), e);
        }
    }

    private List<JsonNode> give(String round, JsonNode value) {
        MeetingFrames first = connections.values().iterator().next();
        ObjectNode frame = JsonMapper.shared().createObjectNode().put("round", round);
        frame.set("value", value);
        String address = seats.addresses().getFirst();
        send(first, frame, address);
        try {
            ObjectNode answer = first.read();
            if (answer.path("refused").isString()) {
                throw new MeetingException(Kind.BROKEN, answer.path("refused").asString());
            }
            if (answer.get("values") instanceof ArrayNode all
                    && all.size() == seats.addresses().size()
                    && answer.path("round").asString("").equals(round)) {
                return List.copyOf(all.values());
            }
            throw new MeetingException(Kind.BROKEN, "node " + address + " answered round " + round + " with " + answer);
        } catch (IOException e) {
            throw new MeetingException(
                    Kind.BROKEN, "node " + address + " did not end round " + round + ": " + e.getMessage(), e);
        }
    }

    private Thread watch(Duration limit) {
        return Thread.ofVirtual().name("meeting-watch").start(() -> {
            try {
                Thread.sleep(limit);
            } catch (InterruptedException e) {
                return; // the round ended in time
            }
            close();
        });
    }

    /** Connects again and again: the first node may not have been started yet. */
    private static Map<Integer, MeetingFrames> join(
            Seats seats, ObjectNode subject, long deadlineNs, Consumer<String> progress)
            throws IOException, InterruptedException {
        InetAddress own = InetAddress.getByName(seats.own());
        var first =
                new InetSocketAddress(InetAddress.getByName(seats.addresses().getFirst()), seats.port());
        String reason = "no attempt was made";
        for (int attempt = 0; System.nanoTime() < deadlineNs; attempt++) {
            var socket = new Socket();
            try {
                socket.bind(new InetSocketAddress(own, 0));
                socket.connect(first, limitMs(deadlineNs, HELLO_LIMIT));
                return Map.of(0, welcomed(new MeetingFrames(socket), seats, subject, deadlineNs));
            } catch (IOException e) {
                socket.close();
                reason = String.valueOf(e.getMessage());
            }
            if (attempt % (PROGRESS_PERIOD_MS / RETRY_PERIOD_MS) == 0) {
                progress.accept("waiting for " + place(seats) + " (" + reason + ")");
            }
            Thread.sleep(RETRY_PERIOD_MS);
        }
        throw new MeetingException(Kind.MISSING, "the first node did not answer at " + place(seats) + ": " + reason);
    }

    private static MeetingFrames welcomed(MeetingFrames first, Seats seats, ObjectNode subject, long deadlineNs)
            throws IOException {
        ObjectNode hello = JsonMapper.shared().createObjectNode().put("index", seats.index());
        hello.set("subject", subject);
        first.write(hello);
        first.limitReads(limitMs(deadlineNs, Duration.ofNanos(Long.MAX_VALUE)));
        ObjectNode answer = first.read();
        first.limitReads(0);
        if (answer.path("refused").isString()) {
            first.close();
            throw new MeetingException(Kind.REFUSED, answer.path("refused").asString());
        }
        return first;
    }

    private static int limitMs(long deadlineNs, Duration most) {
        long left = Math.min(deadlineNs - System.nanoTime(), most.toNanos());
        return Math.clamp(left / 1_000_000, 1, Integer.MAX_VALUE);
    }

    @Override
    public void close() {
        connections.values().forEach(MeetingFrames::close);
    }

    /** The first node's side of the beginning. Hellos are read on virtual threads, so that a silent stranger holds nobody up. */
    private static final class Reception {
        private final Seats seats;
        private final ObjectNode subject;
        private final Consumer<String> progress;
        private final Map<Integer, MeetingFrames> arrived = new ConcurrentSkipListMap<>();
        private final ConcurrentLinkedQueue<String> refusals = new ConcurrentLinkedQueue<>(); // at most MAX_STRANGERS
        private final Semaphore strangers = new Semaphore(MAX_STRANGERS);

        Reception(Seats seats, ObjectNode subject, Consumer<String> progress) {
            this.seats = seats;
            this.subject = subject;
            this.progress = progress;
        }

        Map<Integer, MeetingFrames> gather(long deadlineNs) throws IOException {
            InetAddress own = InetAddress.getByName(seats.own());
            try (var server = new ServerSocket(seats.port(), MAX_STRANGERS, own)) {
                server.setSoTimeout(ACCEPT_PERIOD_MS);
                long nextProgressNs = System.nanoTime();
                while (arrived.size() + 1 < seats.addresses().size()) {
                    if (System.nanoTime() > nextProgressNs) {
                        progress.accept("waiting for " + String.join(", ", missing()));
                        nextProgressNs = System.nanoTime() + PROGRESS_PERIOD_MS * 1_000_000L;
                    }
                    if (System.nanoTime() > deadlineNs) {
                        throw tooLate();
                    }
                    accept(server);
                }
            }
            return arrived;
        }

        private MeetingException tooLate() {
            arrived.values().forEach(connection -> {
                tell(connection, JsonMapper.shared().createObjectNode().put("refused", sentence()));
                connection.close();
            });
            return new MeetingException(refusals.isEmpty() ? Kind.MISSING : Kind.REFUSED, sentence());
        }

        private String sentence() {
            String text = "did not come to " + place(seats) + " in time: " + String.join(", ", missing());
            return refusals.isEmpty() ? text : text + "; refused were: " + String.join("; ", refusals);
        }

        private List<String> missing() {
            var missing = new ArrayList<String>();
            for (int index = 1; index < seats.addresses().size(); index++) {
                if (!arrived.containsKey(index)) {
                    missing.add(seats.addresses().get(index));
                }
            }
            return missing;
        }

        private void accept(ServerSocket server) throws IOException {
            try {
                Socket socket = server.accept();
                if (strangers.tryAcquire()) {
                    Thread.ofVirtual().name("meeting-hello").start(() -> greet(socket));
                } else {
                    socket.close();
                }
            } catch (SocketTimeoutException e) {
                return; // nobody came this time
            }
        }

        private void greet(Socket socket) {
            try {
                var connection = new MeetingFrames(socket);
                connection.limitReads((int) HELLO_LIMIT.toMillis());
                ObjectNode hello = connection.read();
                connection.limitReads(0);
                String refusal = refusal(hello);
                int index = hello.path("index").asInt(-1);
                if (refusal.isEmpty() && arrived.putIfAbsent(index, connection) != null) {
                    refusal = "two nodes say that they are " + seats.addresses().get(index);
                }
                if (refusal.isEmpty()) {
                    connection.write(JsonMapper.shared().createObjectNode().put("welcome", true));
                } else {
                    refuse(connection, refusal);
                }
            } catch (IOException e) {
                refusals.add("a caller from " + socket.getRemoteSocketAddress() + ": " + e.getMessage());
                closeQuietly(socket);
            } finally {
                strangers.release();
            }
        }

        private void refuse(MeetingFrames connection, String refusal) {
            if (refusals.size() < MAX_STRANGERS) {
                refusals.add(refusal);
            }
            tell(connection, JsonMapper.shared().createObjectNode().put("refused", refusal));
            connection.close();
        }

        private String refusal(ObjectNode hello) {
            int index = hello.path("index").asInt(-1);
            if (index < 1 || index >= seats.addresses().size()) {
                return "index " + hello.path("index") + " is outside [1, "
                        + (seats.addresses().size() - 1) + "]";
            }
            String who = seats.addresses().get(index);
            for (String field : subject.propertyNames()) {
                JsonNode theirs = hello.path("subject").path(field);
                if (!theirs.equals(subject.get(field))) {
                    return field + " is " + subject.get(field) + " on " + seats.own() + " and " + theirs + " on " + who
                            + "; start all nodes with the same arguments";
                }
            }
            return "";
        }

        private static void closeQuietly(Socket socket) {
            try {
                socket.close();
            } catch (IOException e) {
                // A stranger's connection that is broken anyhow.
                return;
            }
        }
    }
}
