package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.zmtp.ZmtpFrames;
import dev.tandem.engine.handoff.zmtp.ZmtpLimits;
import dev.tandem.engine.handoff.zmtp.ZmtpReader;
import dev.tandem.engine.handoff.zmtp.ZmtpReader.Event;
import dev.tandem.engine.handoff.zmtp.ZmtpSocketType;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What each bound of {@link ZmtpLimits} ends, and that it ends nothing else. */
@Timeout(120)
class SideChannelBoundsTest {
    private static final String HOST = "127.0.0.1";
    private static final int REQUEST_BYTES = 64 << 10;
    private static final int ANSWER_BYTES = 1 << 20;
    private static final byte[] QUESTION = {1};
    private static final byte[] FAULT = {2};
    private static final byte[] NO_MEMORY = {3};
    private static final Duration SHORT = Duration.ofMillis(200);
    private static final Duration LONG = Duration.ofMinutes(2);

    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final AtomicInteger answered = new AtomicInteger();
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    private static ZmtpLimits limits(
            ZmtpLimits.Memory memory, ZmtpLimits.Crowd crowd, Duration handshake, Duration stall) {
        return new ZmtpLimits(
                new ZmtpLimits.Sizes(REQUEST_BYTES, ANSWER_BYTES, 4 << 10, 8),
                memory,
                crowd,
                new ZmtpLimits.Times(handshake, stall, Duration.ofMillis(10), Duration.ofSeconds(1)));
    }

    private static ZmtpLimits.Memory memory() {
        return new ZmtpLimits.Memory(256 << 10, 64 << 20);
    }

    private static ZmtpLimits.Crowd crowd() {
        return new ZmtpLimits.Crowd(10_000, 10_000, 10_000, 4);
    }

    /** @param answerBytes of every answer */
    private int listen(ZmtpLimits limits, int answerBytes) {
        SideChannel channel =
                ZmtpSideChannel.start(HandoffLimits.standard(), limits, SideChannelWatch.Schedule.STANDARD, counters);
        opened.push(channel);
        var answer = new byte[answerBytes];
        return channel.listen(HOST, 0, 1, (first, rank) -> (peer, payload) -> {
            if (payload[0] == FAULT[0]) {
                throw new IllegalStateException("a fault of ours, on purpose");
            }
            if (payload[0] == NO_MEMORY[0]) {
                throw new OutOfMemoryError("on purpose");
            }
            answered.incrementAndGet();
            return Optional.of(answer);
        });
    }

    private void assertServes(int port) {
        try (var asker = ZmtpSideChannel.start(HandoffLimits.standard(), new Counters<>(HandoffCounter.class))) {
            assertThat(ask(asker, port, QUESTION)
                            .orTimeout(60, TimeUnit.SECONDS)
                            .join())
                    .isNotEmpty();
        }
    }

    private static CompletableFuture<byte[]> ask(SideChannel asker, int port, byte[] payload) {
        var answer = new CompletableFuture<byte[]>();
        asker.execute(() -> asker.client()
                .ask(
                        SideChannel.endpoint(HOST, Integer.toString(port)),
                        payload,
                        answer::complete,
                        answer::completeExceptionally));
        return answer;
    }

    private Socket dial(int port) throws IOException {
        var socket = new Socket(HOST, port);
        opened.push(socket);
        return socket;
    }

    private Socket dialled(int port) throws IOException {
        Socket socket = dial(port);
        socket.getOutputStream().write(ZmtpFrames.greeting());
        socket.getOutputStream().write(ZmtpFrames.ready(ZmtpSocketType.DEALER));
        return socket;
    }

    private static void awaitEnd(Socket socket) {
        try {
            InputStream in = socket.getInputStream();
            while (in.read() >= 0) {
                // its greeting
            }
        } catch (IOException reset) {
            assertThat(reset).isNotNull(); // also an end
        }
    }

    @Test
    void shouldEndConnectionsThatDoNotGreetInTime() throws IOException {
        int port = listen(limits(memory(), crowd(), SHORT, LONG), 10);
        awaitEnd(dial(port));
        Socket half = dial(port);
        half.getOutputStream().write(ZmtpFrames.greeting(), 0, 20);
        awaitEnd(half);
        Socket unready = dial(port);
        unready.getOutputStream().write(ZmtpFrames.greeting());
        awaitEnd(unready);
        assertThat(counters.value(HandoffCounter.PEERS_STALLED)).isEqualTo(3);
        assertServes(port);
    }

    @Test
    void shouldEndConnectionsWhoseMessageStopsHalfWay() throws IOException {
        int port = listen(limits(memory(), crowd(), LONG, SHORT), 10);
        Socket half = dialled(port);
        half.getOutputStream().write(new byte[] {0, 10, 1});
        awaitEnd(half);
        Socket manyParts = dialled(port);
        manyParts.getOutputStream().write(new byte[] {1, 1, 1});
        awaitEnd(manyParts);
        assertThat(counters.value(HandoffCounter.PEERS_STALLED)).isEqualTo(2);
        assertServes(port);
    }

    /** A connection that has nothing to say may stay. */
    @Test
    void shouldKeepAConnectionThatIsIdle() throws Exception {
        int port = listen(limits(memory(), crowd(), SHORT, SHORT), 10);
        Socket idle = dialled(port);
        Socket late = dial(port);
        awaitEnd(late); // so much time has passed
        idle.getOutputStream().write(ZmtpFrames.message(List.of(QUESTION)));
        assertThat(answers(idle, 1)).isEqualTo(1);
    }

    @Test
    void shouldServeAmongThousandsOfConnectionsThatStay() throws IOException {
        int port = listen(limits(memory(), new ZmtpLimits.Crowd(10_000, 10_000, 50, 4), LONG, LONG), 10);
        for (int connection = 0; connection < 3_000; connection++) {
            dial(port);
        }
        assertServes(port);
        assertThat(counters.value(HandoffCounter.PEERS_CROWDED_OUT)).isGreaterThan(2_000);
    }

    @Test
    void shouldBoundTheConnectionsOfAPortAndOfAllPorts() throws IOException {
        int port = listen(limits(memory(), new ZmtpLimits.Crowd(10_000, 30, 10_000, 4), LONG, LONG), 10);
        for (int connection = 0; connection < 300; connection++) {
            dial(port);
        }
        assertServes(port);
        int other = listen(limits(memory(), new ZmtpLimits.Crowd(30, 10_000, 10_000, 4), LONG, LONG), 10);
        for (int connection = 0; connection < 300; connection++) {
            dial(other);
        }
        assertServes(other);
        assertThat(counters.value(HandoffCounter.PEERS_CROWDED_OUT)).isGreaterThan(400);
    }

    /** Nothing more is read from it: what it asks waits in its own socket, not in this process. */
    @Test
    void shouldAnswerAPeerThatDoesNotReadOnlyUpToItsBound() throws IOException {
        int answerBytes = 100_000;
        int port = listen(limits(memory(), crowd(), LONG, SHORT), answerBytes);
        try (var deaf = SocketChannel.open()) {
            deaf.setOption(StandardSocketOptions.SO_RCVBUF, 64 << 10);
            deaf.connect(new InetSocketAddress(HOST, port));
            deaf.write(ByteBuffer.wrap(ZmtpFrames.greeting()));
            deaf.write(ByteBuffer.wrap(ZmtpFrames.ready(ZmtpSocketType.DEALER)));
            var questions = ByteBuffer.allocate(30_000);
            while (questions.remaining() > 3) {
                questions.put(ZmtpFrames.message(List.of(QUESTION)));
            }
            deaf.write(questions.flip());
            await(() -> counters.value(HandoffCounter.PEERS_STALLED) == 1);
        }
        assertThat((long) answered.get() * answerBytes)
                .as("10,000 answers were asked for")
                .isLessThan(100_000_000);
        assertServes(port);
    }

    @Test
    void shouldAnswerEverythingOnceAPeerReadsAtLast() throws Exception {
        int port = listen(limits(memory(), crowd(), LONG, LONG), 10_000);
        Socket slow = dialled(port);
        int questions = 3_000;
        CompletableFuture<Void> asking = CompletableFuture.runAsync(() -> {
            try {
                for (int question = 0; question < questions; question++) {
                    slow.getOutputStream().write(ZmtpFrames.message(List.of(QUESTION)));
                }
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        assertThat(answers(slow, questions)).isEqualTo(questions);
        asking.get(60, TimeUnit.SECONDS);
    }

    private static int answers(Socket socket, int wanted) throws Exception {
        var sizes = new ZmtpLimits.Sizes(ANSWER_BYTES, ANSWER_BYTES, 4 << 10, 8);
        var reader = new ZmtpReader(ZmtpSocketType.DEALER, ANSWER_BYTES, sizes);
        var bytes = new byte[10_000];
        int count = 0;
        while (count < wanted) {
            int read = socket.getInputStream().read(bytes);
            if (read < 0) {
                return count;
            }
            var unread = ByteBuffer.wrap(bytes, 0, read);
            for (Event event = reader.next(unread); event != null; event = reader.next(unread)) {
                count += event instanceof Event.Message ? 1 : 0;
            }
        }
        return count;
    }

    @Test
    void shouldLetThePeerWithTheMostGoWhenAllTogetherHoldTooMuch() throws IOException {
        int port = listen(limits(new ZmtpLimits.Memory(256 << 10, 1 << 20), crowd(), LONG, LONG), 10);
        for (int peer = 0; peer < 100; peer++) {
            Socket hoarder = dialled(port);
            hoarder.getOutputStream()
                    .write(ByteBuffer.allocate(9 + 60_000)
                            .put((byte) 2)
                            .putLong(61_000)
                            .array());
        }
        await(() -> counters.value(HandoffCounter.PEERS_CROWDED_OUT) > 50);
        assertServes(port);
    }

    @Test
    void shouldEndOnlyTheConnectionThatAFaultOfOursMeets() throws Exception {
        int port = listen(limits(memory(), crowd(), LONG, LONG), 10);
        Socket bystander = dialled(port);
        for (byte[] payload : List.of(FAULT, NO_MEMORY)) {
            Socket unlucky = dialled(port);
            unlucky.getOutputStream().write(ZmtpFrames.message(List.of(payload)));
            awaitEnd(unlucky);
        }
        assertThat(counters.value(HandoffCounter.PEERS_FAILED)).isEqualTo(2);
        bystander.getOutputStream().write(ZmtpFrames.message(List.of(QUESTION)));
        assertThat(answers(bystander, 1)).isEqualTo(1);
        assertServes(port);
    }

    /** The other direction: a server that this node asks. */
    @Test
    void shouldFailAQuestionToAServerThatAnswersTooMuchOrNonsense() throws Exception {
        var hasty = new HandoffLimits(Duration.ofMillis(500), 2, 100, 4, 32, 64, 4, Duration.ofSeconds(1));
        CompletableFuture<Void> serving;
        try (var server = new ServerSocket(0);
                var asker = ZmtpSideChannel.start(hasty, counters)) {
            byte[] tooLong = ByteBuffer.allocate(9).put((byte) 2).putLong(-1).array();
            serving = CompletableFuture.runAsync(() -> serveAll(server, tooLong));
            assertThatThrownBy(() -> ask(asker, server.getLocalPort(), QUESTION).get(60, TimeUnit.SECONDS))
                    .hasMessageContaining("in 2 tries of 500 ms; the last connection: a frame of 18446744073709551615");
        }
        serving.get(60, TimeUnit.SECONDS);
        assertThat(counters.value(HandoffCounter.PEERS_TOO_LARGE)).isPositive();
    }

    private static void serveAll(ServerSocket server, byte[] answer) {
        while (!server.isClosed()) {
            try (Socket peer = server.accept()) {
                peer.getOutputStream().write(ZmtpFrames.greeting());
                peer.getOutputStream().write(ZmtpFrames.ready(ZmtpSocketType.ROUTER));
                peer.getOutputStream().write(answer);
                awaitEnd(peer);
            } catch (IOException hungUp) {
                assertThat(hungUp).isNotNull(); // by the asker, in the middle of the answer; or the server was closed
            }
        }
    }

    private static void await(BooleanSupplier isTrue) {
        long endNs = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!isTrue.getAsBoolean()) {
            assertThat(System.nanoTime() - endNs).as("in time").isNegative();
            Thread.yield();
        }
    }
}
