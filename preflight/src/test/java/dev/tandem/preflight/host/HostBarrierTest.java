package dev.tandem.preflight.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.Loopback;
import dev.tandem.preflight.host.HostBarrier.Participants;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.IntNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

class HostBarrierTest {
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final int PORT = 23_800;

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final List<String> three = List.of(Loopback.next(), Loopback.next(), Loopback.next());

    private static ObjectNode subject(int devices) {
        return JsonNodeFactory.instance.objectNode().put("devices", devices);
    }

    private <T> CompletableFuture<T> node(
            int index, ObjectNode subject, Duration limit, Function<HostBarrier, T> work) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try (HostBarrier barrier =
                            HostBarrier.open(new Participants(three, index, PORT), subject, limit, unused -> {})) {
                        return work.apply(barrier);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                },
                threads);
    }

    private static List<JsonNode> exchange(HostBarrier barrier, String round, int value) {
        try {
            return barrier.exchange(round, IntNode.valueOf(value), LONG);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void shouldGiveEveryNodeTheValuesOfAllInOrder() {
        var answers = new ArrayList<CompletableFuture<List<JsonNode>>>();
        for (int index = 2; index >= 0; index--) { // the first comes last
            int own = index;
            answers.add(node(index, subject(8), LONG, barrier -> {
                exchange(barrier, "one", own);
                return exchange(barrier, "two", 10 + own);
            }));
        }
        for (CompletableFuture<List<JsonNode>> answer : answers) {
            assertThat(answer.join()).extracting(JsonNode::asInt).containsExactly(10, 11, 12);
        }
    }

    @Test
    void shouldNameThoseThatDoNotCome() {
        var heard = new ConcurrentLinkedQueue<String>();
        CompletableFuture<List<JsonNode>> third = node(2, subject(8), LONG, barrier -> exchange(barrier, "one", 2));
        assertThatThrownBy(() -> HostBarrier.open(
                        new Participants(three, 0, PORT), subject(8), Duration.ofSeconds(2), heard::add))
                .isInstanceOf(HostBarrierException.class)
                .hasMessageContaining("in time: " + three.get(1))
                .hasMessageNotContaining(three.get(2));
        assertThat(heard).anyMatch(text -> text.contains(three.get(1)));
        assertThatThrownBy(third::join)
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOf(HostBarrierException.class);
    }

    @Test
    void shouldRefuseANodeWithOtherArguments() {
        CompletableFuture<List<JsonNode>> other = node(1, subject(16), LONG, barrier -> exchange(barrier, "one", 1));
        CompletableFuture<List<JsonNode>> first =
                node(0, subject(8), Duration.ofSeconds(3), barrier -> exchange(barrier, "one", 0));
        assertThatThrownBy(other::join)
                .cause()
                .hasMessageContaining("devices is 8 on " + three.get(0) + " and 16 on " + three.get(1));
        assertThatThrownBy(first::join).cause().hasMessageContaining("devices is 8");
    }

    @Test
    void shouldNotBeHeldUpByStrangers() throws Exception {
        CompletableFuture<List<JsonNode>> first = node(0, subject(8), LONG, barrier -> exchange(barrier, "one", 0));
        var strangers = new ArrayList<Socket>();
        for (byte[] sent :
                List.of(new byte[0], new byte[] {-1, -1, -1, -1}, "GET / HTTP/1.1\r\n\r\n".getBytes("UTF-8"))) {
            strangers.add(stranger(sent));
        }
        CompletableFuture<List<JsonNode>> second = node(1, subject(8), LONG, barrier -> exchange(barrier, "one", 1));
        node(2, subject(8), LONG, barrier -> exchange(barrier, "one", 2)).join();
        assertThat(first.join()).hasSize(3);
        assertThat(second.join()).hasSize(3);
        for (Socket stranger : strangers) {
            stranger.close();
        }
    }

    private Socket stranger(byte[] sent) throws IOException {
        while (true) {
            try {
                var socket = new Socket();
                socket.connect(new InetSocketAddress(three.getFirst(), PORT), 1_000);
                socket.getOutputStream().write(sent);
                return socket;
            } catch (IOException e) {
                Thread.onSpinWait(); // the first node does not listen yet
            }
        }
    }

    @Test
    void shouldTellTheOthersWhoLeft() {
        CompletableFuture<List<JsonNode>> first = node(0, subject(8), LONG, barrier -> exchange(barrier, "one", 0));
        CompletableFuture<List<JsonNode>> second = node(1, subject(8), LONG, barrier -> exchange(barrier, "one", 1));
        node(2, subject(8), LONG, barrier -> List.<JsonNode>of()).join(); // comes and goes
        assertThatThrownBy(first::join)
                .cause()
                .hasMessageContaining("node " + three.get(2) + " did not come to round one");
        assertThatThrownBy(second::join)
                .cause()
                .hasMessageContaining("node " + three.get(2) + " did not come to round one");
    }

    @Test
    void shouldEndARoundAtItsLimit() {
        var gate = new CompletableFuture<Void>();
        CompletableFuture<List<JsonNode>> idle = node(1, subject(8), LONG, barrier -> {
            gate.join();
            return List.of();
        });
        CompletableFuture<List<JsonNode>> third = node(2, subject(8), LONG, barrier -> exchange(barrier, "one", 2));
        CompletableFuture<List<JsonNode>> first = node(0, subject(8), LONG, barrier -> {
            try {
                return barrier.exchange("one", IntNode.valueOf(0), Duration.ofSeconds(1));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        assertThatThrownBy(first::join).cause().hasMessageContaining("node " + three.get(1) + " did not come");
        assertThatThrownBy(third::join).cause().isInstanceOf(HostBarrierException.class);
        gate.complete(null);
        assertThat(idle.join()).isEmpty();
    }

    private CompletableFuture<List<JsonNode>> knowing(int index, Duration limit, ClusterSecret secret) {
        return CompletableFuture.supplyAsync(
                () -> {
                    var participants = new Participants(three.subList(0, 2), index, PORT, secret);
                    try (HostBarrier barrier = HostBarrier.open(participants, subject(8), limit, unused -> {})) {
                        return exchange(barrier, "one", index);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                },
                command -> Thread.ofVirtual().start(command)); // they wait for each other
    }

    @Test
    void shouldLetNodesMeetThatKnowTheSecret() {
        ClusterSecret both = ClusterSecret.of("the secret of this year\nthe secret of last year");
        CompletableFuture<List<JsonNode>> first = knowing(0, LONG, both);
        assertThat(knowing(1, LONG, ClusterSecret.of("the secret of last year")).join())
                .hasSize(2);
        assertThat(first.join()).hasSize(2);
    }

    @Test
    void shouldRefuseANodeWithoutTheSecretByName() {
        ClusterSecret secret = ClusterSecret.of("the cluster's secret");
        CompletableFuture<List<JsonNode>> first = knowing(0, Duration.ofSeconds(3), secret);
        assertThatThrownBy(knowing(1, LONG, ClusterSecret.none())::join)
                .cause()
                .hasMessageContaining("gives no proof of the cluster secret on the meeting");
        assertThatThrownBy(knowing(1, LONG, ClusterSecret.of("a stranger's guess"))::join)
                .cause()
                .hasMessageContaining("knows another cluster secret on the meeting");
        assertThatThrownBy(first::join).cause().hasMessageContaining("gives no proof");
    }

    @Test
    void shouldNotMeetAFirstNodeThatDoesNotKnowTheSecret() {
        CompletableFuture<List<JsonNode>> first = knowing(0, Duration.ofSeconds(3), ClusterSecret.none());
        assertThatThrownBy(knowing(1, Duration.ofSeconds(2), ClusterSecret.of("the cluster's secret"))::join)
                .cause()
                .hasMessageContaining("gives no proof of the cluster secret on the meeting");
        assertThatThrownBy(first::join)
                .cause()
                .isInstanceOf(HostBarrierException.class)
                .hasMessageContaining("did not come to round one: the other side closed the connection");
    }
}
