package dev.tandem.preflight.host;

import dev.tandem.preflight.host.HostBarrierException.Kind;
import dev.tandem.trust.ClusterSecret;
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
 * A barrier between hosts that run the same command at once. Every node connects to the first address of a list that all of them were
 * given; in each round every node gives a value and receives those of all, in the list's order. No node leaves a round before all have come.
 *
 * <pre>
 *   node i -> first: {"subject": {...}, "index": i}                 {@link MeetingProof}, then
 *   first -> node i: {"welcome": true} or {"refused": "..."}
 *   node i -> first: {"round": "facts", "value": ...}               first -> node i: {"round": "facts", "values": [...]}
 * </pre>
 *
 * Nothing secret is sent and nothing is run: whoever can connect, where there is no secret, can at most keep the barrier from opening. Used
 * by one thread. Every wait has a limit: a watch closes the connections when it is reached.
 */
public final class HostBarrier implements AutoCloseable {
    private static final Duration HELLO_LIMIT = Duration.ofSeconds(5);
    private static final int MAX_NODES = 1024;
    private static final int MAX_STRANGERS = 64;
    private static final int ACCEPT_PERIOD_MS = 200;
    private static final int RETRY_PERIOD_MS = 100;
    private static final int PROGRESS_PERIOD_MS = 1_000;

    private final Participants participants;
    private final Map<Integer, BarrierConnection> connections; // first: by index of the others; others: 0 -> the first

    private HostBarrier(Participants participants, Map<Integer, BarrierConnection> connections) {
        this.participants = participants;
        this.connections = connections;
    }

    /**
     * The nodes of a barrier.
     *
     * @param addresses of all nodes, in the order that all of them were given; the first is where they meet
     * @param index of this node
     * @param port of the first address
     * @param secret that all must know
     */
    public record Participants(List<String> addresses, int index, int port, ClusterSecret secret) {
        public Participants {
            addresses = List.copyOf(addresses);
            if (addresses.size() > MAX_NODES || index < 0 || index >= addresses.size()) {
                throw new IllegalArgumentException(
                        "index " + index + " of " + addresses.size() + " addresses; at most " + MAX_NODES + " meet");
            }
        }

        /** Without a secret. */
        public Participants(List<String> addresses, int index, int port) {
            this(addresses, index, port, ClusterSecret.none());
        }

        boolean isFirst() {
            return index == 0;
        }

        String own() {
            return addresses.get(index);
        }
    }

    /**
     * Waits for all participants.
     *
     * @param subject what this node was started for; every field must be equal on all nodes
     * @param progress hears, about once a second, what is waited for
     * @throws HostBarrierException MISSING with the addresses that did not come, REFUSED with the field that differs
     */
    public static HostBarrier open(
            Participants participants, ObjectNode subject, Duration limit, Consumer<String> progress)
            throws InterruptedException {
        long deadlineNs = System.nanoTime() + limit.toNanos();
        try {
            return new HostBarrier(
                    participants,
                    participants.isFirst()
                            ? new Reception(participants, subject, progress).gather(deadlineNs)
                            : join(participants, subject, deadlineNs, progress));
        } catch (IOException e) {
            throw new HostBarrierException(
                    Kind.BROKEN, "the nodes cannot meet at " + place(participants) + ": " + e.getMessage(), e);
        }
    }

    private static String place(Participants participants) {
        return participants.addresses().getFirst() + " port " + participants.port();
    }

    /**
     * Passes one round.
     *
     * @param round its name, by which nodes in another round are noticed
     * @return values of all nodes in the order of the addresses
     * @throws HostBarrierException when a node leaves or the limit passes
     */
    public List<JsonNode> exchange(String round, JsonNode value, Duration limit) throws InterruptedException {
        Thread watch = watch(limit);
        try {
            return participants.isFirst() ? collect(round, value) : give(round, value);
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
        connections.forEach((index, connection) ->
                send(connection, frame, participants.addresses().get(index)));
        return List.copyOf(values.values());
    }

    private JsonNode valueOf(int index, BarrierConnection connection, String round) {
        String address = participants.addresses().get(index);
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
    private HostBarrierException broken(String reason) {
        ObjectNode frame = JsonMapper.shared().createObjectNode().put("refused", reason);
        connections.values().forEach(connection -> tell(connection, frame));
        return new HostBarrierException(Kind.BROKEN, reason);
    }

    private static void tell(BarrierConnection connection, ObjectNode frame) {
        try {
            connection.write(frame);
        } catch (IOException e) {
            // It has gone already; whoever tells has its own reason to report.
            connection.close();
        }
    }

    private static void send(BarrierConnection connection, ObjectNode frame, String address) {
        try {
            connection.write(frame);
        } catch (IOException e) {
            throw new HostBarrierException(Kind.BROKEN, "node " + address + " has left: " + e.getMessage(), e);
        }
    }

    private List<JsonNode> give(String round, JsonNode value) {
        BarrierConnection first = connections.values().iterator().next();
        ObjectNode frame = JsonMapper.shared().createObjectNode().put("round", round);
        frame.set("value", value);
        String address = participants.addresses().getFirst();
        send(first, frame, address);
        try {
            ObjectNode answer = first.read();
            if (answer.path("refused").isString()) {
                throw new HostBarrierException(
                        Kind.BROKEN, answer.path("refused").asString());
            }
            if (answer.get("values") instanceof ArrayNode all
                    && all.size() == participants.addresses().size()
                    && answer.path("round").asString("").equals(round)) {
                return List.copyOf(all.values());
            }
            throw new HostBarrierException(
                    Kind.BROKEN, "node " + address + " answered round " + round + " with " + answer);
        } catch (IOException e) {
            throw new HostBarrierException(
                    Kind.BROKEN, "node " + address + " did not end round " + round + ": " + e.getMessage(), e);
        }
    }

    private Thread watch(Duration limit) {
        return Thread.ofVirtual().name("barrier-watch").start(() -> {
            try {
                Thread.sleep(limit);
            } catch (InterruptedException e) {
                return; // the round ended in time
            }
            close();
        });
    }

    /** Connects again and again: the first node may not have been started yet. */
    private static Map<Integer, BarrierConnection> join(
            Participants participants, ObjectNode subject, long deadlineNs, Consumer<String> progress)
            throws IOException, InterruptedException {
        InetAddress own = InetAddress.getByName(participants.own());
        var first = new InetSocketAddress(
                InetAddress.getByName(participants.addresses().getFirst()), participants.port());
        String reason = "no attempt was made";
        for (int attempt = 0; System.nanoTime() < deadlineNs; attempt++) {
            var socket = new Socket();
            try {
                socket.bind(new InetSocketAddress(own, 0));
                socket.connect(first, limitMs(deadlineNs, HELLO_LIMIT));
                return Map.of(0, welcomed(new BarrierConnection(socket), participants, subject, deadlineNs));
            } catch (HostBarrierException e) {
                socket.close(); // the first node may hold this one for arrived
                throw e;
            } catch (IOException e) {
                socket.close();
                reason = String.valueOf(e.getMessage());
            }
            if (attempt % (PROGRESS_PERIOD_MS / RETRY_PERIOD_MS) == 0) {
                progress.accept("waiting for " + place(participants) + " (" + reason + ")");
            }
            Thread.sleep(RETRY_PERIOD_MS);
        }
        throw new HostBarrierException(
                Kind.MISSING, "the first node did not answer at " + place(participants) + ": " + reason);
    }

    private static BarrierConnection welcomed(
            BarrierConnection first, Participants participants, ObjectNode subject, long deadlineNs)
            throws IOException {
        ObjectNode hello = JsonMapper.shared().createObjectNode().put("index", participants.index());
        hello.set("subject", subject);
        first.limitReads(limitMs(deadlineNs, Duration.ofNanos(Long.MAX_VALUE)));
        ObjectNode answer = MeetingProof.greet(first, hello, participants.secret());
        first.limitReads(0);
        if (answer.path("refused").isString()) {
            throw new HostBarrierException(Kind.REFUSED, answer.path("refused").asString());
        }
        return first;
    }

    private static int limitMs(long deadlineNs, Duration most) {
        long left = Math.min(deadlineNs - System.nanoTime(), most.toNanos());
        return Math.clamp(left / 1_000_000, 1, Integer.MAX_VALUE);
    }

    @Override
    public void close() {
        connections.values().forEach(BarrierConnection::close);
    }

    /** Accepts the others on the first node. Hellos are read on virtual threads, so that a silent stranger delays nobody. */
    private static final class Reception {
        private final Participants participants;
        private final ObjectNode subject;
        private final Consumer<String> progress;
        private final Map<Integer, BarrierConnection> arrived = new ConcurrentSkipListMap<>();
        private final ConcurrentLinkedQueue<String> refusals = new ConcurrentLinkedQueue<>(); // at most MAX_STRANGERS
        private final Semaphore strangers = new Semaphore(MAX_STRANGERS);

        Reception(Participants participants, ObjectNode subject, Consumer<String> progress) {
            this.participants = participants;
            this.subject = subject;
            this.progress = progress;
        }

        Map<Integer, BarrierConnection> gather(long deadlineNs) throws IOException {
            InetAddress own = InetAddress.getByName(participants.own());
            try (var server = new ServerSocket(participants.port(), MAX_STRANGERS, own)) {
                server.setSoTimeout(ACCEPT_PERIOD_MS);
                long nextProgressNs = System.nanoTime();
                while (arrived.size() + 1 < participants.addresses().size()) {
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

        private HostBarrierException tooLate() {
            arrived.values().forEach(connection -> {
                tell(connection, JsonMapper.shared().createObjectNode().put("refused", sentence()));
                connection.close();
            });
            return new HostBarrierException(refusals.isEmpty() ? Kind.MISSING : Kind.REFUSED, sentence());
        }

        private String sentence() {
            String text = "did not come to " + place(participants) + " in time: " + String.join(", ", missing());
            return refusals.isEmpty() ? text : text + "; refused were: " + String.join("; ", refusals);
        }

        private List<String> missing() {
            var missing = new ArrayList<String>();
            for (int index = 1; index < participants.addresses().size(); index++) {
                if (!arrived.containsKey(index)) {
                    missing.add(participants.addresses().get(index));
                }
            }
            return missing;
        }

        private void accept(ServerSocket server) throws IOException {
            try {
                Socket socket = server.accept();
                if (strangers.tryAcquire()) {
                    Thread.ofVirtual().name("barrier-hello").start(() -> greet(socket));
                } else {
                    socket.close();
                }
            } catch (SocketTimeoutException e) {
                return; // nobody came this time
            }
        }

        private void greet(Socket socket) {
            try {
                var connection = new BarrierConnection(socket);
                connection.limitReads((int) HELLO_LIMIT.toMillis());
                ObjectNode hello = connection.read();
                String refusal = MeetingProof.admit(connection, hello, participants.secret())
                        .orElseGet(() -> refusal(hello));
                connection.limitReads(0);
                int index = hello.path("index").asInt(-1);
                if (refusal.isEmpty() && arrived.putIfAbsent(index, connection) != null) {
                    refusal = "two nodes say that they are "
                            + participants.addresses().get(index);
                }
                if (refusal.isEmpty()) {
                    connection.write(MeetingProof.frame().put("welcome", true));
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

        private void refuse(BarrierConnection connection, String refusal) {
            if (refusals.size() < MAX_STRANGERS) {
                refusals.add(refusal);
            }
            tell(connection, MeetingProof.frame().put("refused", refusal));
            connection.close();
        }

        private String refusal(ObjectNode hello) {
            int index = hello.path("index").asInt(-1);
            if (index < 1 || index >= participants.addresses().size()) {
                return "index " + hello.path("index") + " is outside [1, "
                        + (participants.addresses().size() - 1) + "]";
            }
            String who = participants.addresses().get(index);
            for (String field : subject.propertyNames()) {
                JsonNode theirs = hello.path("subject").path(field);
                if (!theirs.equals(subject.get(field))) {
                    return field + " is " + subject.get(field) + " on " + participants.own() + " and " + theirs + " on "
                            + who + "; start all nodes with the same arguments";
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
