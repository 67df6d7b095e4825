package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.lease.LeaseTable;
import dev.tandem.engine.handoff.lease.ReleaseQuorum;
import dev.tandem.engine.handoff.lease.VirtualIds;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.request.EngineException;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;

/** Real sockets on loopback; foreign sides are plain ZeroMQ sockets that send frames as vllm-ascend does. */
@Timeout(60)
class SideChannelTest {
    private static final Queue<Socket> CLOSED = new ConcurrentLinkedQueue<>(); // open until this JVM ends
    private static final String HOST = "127.0.0.1";
    private static final byte[] GET_META = HexFormat.of().parseHex("92c40c6765745f6d6574615f6d7367a0");
    private static final byte[] DONE =
            HexFormat.of().parseHex("92c410646f6e655f72656376696e675f6d7367a8636d706c2d372d30");
    private static final HandoffLimits PATIENT = answering(Duration.ofSeconds(10), 3);
    private static final HandoffLimits HASTY = answering(Duration.ofMillis(200), 3);

    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final LeaseDirectory directory = new LeaseDirectory();
    private final LeaseTable leases = new LeaseTable(
            Duration.ofMinutes(1).toNanos(),
            new ReleaseQuorum(1, 1, 1),
            new VirtualIds(1L << 40, new SplittableRandom(5), directory),
            directory,
            counters,
            () -> {});
    private final KvPool pool = new KvPool(KvFixtures.layout(16, 1, 1, 8), 4);
    private final PeerMetadata metadata =
            new PeerMetadata("0", 15_001, List.of(1L << 45, 1L << 46), 1 << 30, Optional.empty());
    private final SideChannel channel = ZmtpSideChannel.start(PATIENT, counters);
    private final ZContext context = new ZContext();
    private final int port = channel.listen(
            HOST,
            0,
            1,
            (first, rank) -> new SideChannelServer(
                    metadata,
                    new RankEndpoint(HOST, first, rank, 1),
                    this::hear,
                    counters,
                    new MooncakeDialect("1", 1)));

    @AfterEach
    void close() {
        context.close();
        channel.close();
        pool.close();
    }

    private boolean hear(SideChannelMessage.Report report, RankEndpoint at) {
        return report instanceof SideChannelMessage.DoneReceiving done
                && leases.done(done.requestId(), at.rank(), at.byRank(done.sendsByPort()), done.lease());
    }

    @Test
    void shouldAnswerMetadataToAReqSocketInOneFrame() {
        ZMQ.Socket req = connect(SocketType.REQ);
        req.send(GET_META);
        byte[] reply = req.recv();
        assertThat(req.hasReceiveMore()).isFalse();
        assertThat(SideChannelCodec.decodeMetadata(reply)).isEqualTo(metadata);
    }

    /** A message that waits for a second try costs a second; jeromq 0.6.0 lost one in twenty (decision 0004). */
    @Test
    void shouldBeHeardAtTheFirstTryOnEachOfManyNewConnections() {
        HandoffLimits once = answering(Duration.ofSeconds(10), 1);
        for (int connection = 0; connection < 100; connection++) {
            try (var asker = ZmtpSideChannel.start(once, new Counters<>(HandoffCounter.class))) {
                byte[] answer = ask(asker, endpoint(port), GET_META).join();
                assertThat(SideChannelCodec.decodeMetadata(answer)).isEqualTo(metadata);
            }
        }
    }

    /** As vllm-ascend's ROUTER does: identity, empty, payload; a DEALER sees the last two. */
    @Test
    void shouldAnswerInTheFramesThatVllmAscendSends() {
        ZMQ.Socket dealer = connect(SocketType.DEALER);
        dealer.send(new byte[0], ZMQ.SNDMORE);
        dealer.send(DONE);
        assertThat(dealer.recv()).isEmpty();
        assertThat(dealer.hasReceiveMore()).isTrue();
        assertThat(dealer.recv()).isEqualTo("ACK".getBytes(StandardCharsets.US_ASCII));
        assertThat(dealer.hasReceiveMore()).isFalse();
    }

    @Test
    void shouldReleaseTheLeaseThatADoneMessageNames() {
        leases.lend("cmpl-7-0", new int[] {3}, 0);
        ZMQ.Socket req = connect(SocketType.REQ);
        req.send(DONE);
        assertThat(req.recv()).asString().isEqualTo("ACK");
        var events = new ArrayList<HandoffEvent>();
        leases.poll(1, events);
        assertThat(events).hasSize(1);
        req.send(DONE);
        assertThat(req.recv()).as("repeated").asString().isEqualTo("ACK");
        assertThat(counters.value(HandoffCounter.DONE_UNKNOWN)).isEqualTo(1);
    }

    @Test
    void shouldAnswerAReqSocketThatSentRubbishAndGoOn() {
        ZMQ.Socket req = connect(SocketType.REQ);
        for (byte[] rubbish :
                List.of(new byte[0], new byte[] {1}, "GET / HTTP/1.1".getBytes(StandardCharsets.US_ASCII))) {
            req.send(rubbish);
            assertThat(req.recv()).asString().isEqualTo("NAK");
        }
        req.send("two", ZMQ.SNDMORE);
        req.send("frames");
        assertThat(req.recv()).asString().isEqualTo("NAK");
        assertThat(counters.value(HandoffCounter.FRAMES_DROPPED)).isEqualTo(4);
        req.send(GET_META);
        assertThat(req.recv()).isNotEmpty();
    }

    @Test
    void shouldDropFramesOfOtherPatterns() throws IOException {
        ZMQ.Socket dealer = connect(SocketType.DEALER);
        for (int frame = 0; frame < 50; frame++) {
            dealer.send("x", frame < 49 ? ZMQ.SNDMORE : 0);
        }
        dealer.send(new byte[SideChannelCodec.MAX_REQUEST_BYTES + 1]); // closes that connection
        try (var raw = new Socket(HOST, port)) {
            raw.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            raw.getOutputStream().flush();
        }
        ZMQ.Socket req = connect(SocketType.REQ);
        req.send(GET_META);
        assertThat(req.recv()).isNotEmpty();
    }

    @Test
    void shouldNameHostAndPortOfAPortInUse() throws IOException {
        try (var taken = new ServerSocket(0, 1, java.net.InetAddress.getByName(HOST))) {
            assertThatThrownBy(() -> channel.listen(
                            HOST, taken.getLocalPort(), 1, (first, rank) -> (from, payload) -> Optional.empty()))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining(HOST + ":" + taken.getLocalPort())
                    .hasMessageContaining("in use");
        }
    }

    @Test
    void shouldListenOnSeveralPortsInOneThread() {
        int second = channel.listen(HOST, 0, 1, (first, rank) -> (from, payload) -> Optional.of(new byte[] {9}));
        ZMQ.Socket req = context.createSocket(SocketType.REQ);
        req.connect("tcp://" + HOST + ":" + second);
        req.send("x");
        assertThat(req.recv()).containsExactly(9);
    }

    @Test
    void shouldAskPeersAndGetAnswersInOrder() throws Exception {
        var answers = new ArrayList<CompletableFuture<byte[]>>();
        for (int question = 0; question < 50; question++) {
            answers.add(ask(endpoint(port), question % 2 == 0 ? GET_META : DONE));
        }
        for (int question = 0; question < 50; question++) {
            byte[] answer = answers.get(question).get();
            assertThat(SideChannelCodec.isAcknowledgement(answer)).isEqualTo(question % 2 == 1);
        }
    }

    @Test
    void shouldRunEveryTaskHoweverManyThreadsPostAtOnce() throws Exception {
        var posters = new ArrayList<CompletableFuture<Void>>();
        for (int poster = 0; poster < 3; poster++) {
            posters.add(CompletableFuture.runAsync(() -> {
                for (int round = 0; round < 20_000; round++) {
                    var done = new CompletableFuture<Boolean>();
                    channel.execute(() -> done.complete(true));
                    assertThat(done.orTimeout(20, TimeUnit.SECONDS).join()).isTrue();
                }
            }));
        }
        for (var poster : posters) {
            poster.get();
        }
    }

    @Test
    void shouldRefuseNewWorkWhenAsMuchWaitsAsMayAndNeverWhatFollowsFromWork() throws Exception {
        var mayGoOn = new CompletableFuture<Boolean>();
        channel.execute(mayGoOn::join);
        var done = new AtomicInteger();
        for (int task = 0; task < PATIENT.tasks(); task++) {
            assertThat(channel.offer(done::incrementAndGet)).isTrue();
        }
        assertThat(channel.offer(done::incrementAndGet)).isFalse();
        assertThat(counters.value(HandoffCounter.TASKS_REFUSED)).isOne();
        var followed = new CompletableFuture<Integer>();
        channel.execute(() -> followed.complete(done.get()));
        mayGoOn.complete(true);
        assertThat(followed.get(20, TimeUnit.SECONDS))
                .as("what was taken runs, in order")
                .isEqualTo(PATIENT.tasks());
        assertThat(channel.offer(done::incrementAndGet)).isTrue();
    }

    @Test
    void shouldAnswerPeersHoweverManyTasksWait() {
        var isOver = new AtomicBoolean();
        for (int task = 0; task < 1_000; task++) {
            postAgainAndAgain(isOver);
        }
        ZMQ.Socket req = connect(SocketType.REQ);
        req.setReceiveTimeOut(20_000);
        req.send(GET_META);
        assertThat(req.recv()).isNotEmpty();
        isOver.set(true);
    }

    private void postAgainAndAgain(AtomicBoolean isOver) {
        channel.execute(() -> {
            if (!isOver.get()) {
                postAgainAndAgain(isOver);
            }
        });
    }

    @Test
    void shouldFailAllQuestionsForAPeerThatIsNotThere() throws Exception {
        int unused = closedPort();
        var answers = new ArrayList<CompletableFuture<byte[]>>();
        try (var hasty = ZmtpSideChannel.start(HASTY, counters)) {
            for (int question = 0; question < 20; question++) {
                answers.add(ask(hasty, endpoint(unused), GET_META));
            }
            for (var answer : answers) {
                assertFails(answer, TransferException.Kind.PEER_GONE, "3 tries of 200 ms");
            }
        }
    }

    @Test
    void shouldAskAgainOverAFreshSocketWhenAnAnswerIsLost() throws Exception {
        ZMQ.Socket silent = context.createSocket(SocketType.ROUTER);
        int silentPort = silent.bindToRandomPort("tcp://" + HOST);
        try (var asker = ZmtpSideChannel.start(answering(Duration.ofSeconds(1), 10), counters)) {
            CompletableFuture<byte[]> answer = ask(asker, endpoint(silentPort), GET_META);
            byte[] firstIdentity = silent.recv();
            silent.recv();
            assertThat(silent.recv()).isEqualTo(GET_META);
            silent.setReceiveTimeOut(100);
            while (!answer.isDone()) { // a slow machine may ask more often than twice
                byte[] identity = silent.recv();
                if (identity != null) {
                    assertThat(identity).isNotEqualTo(firstIdentity);
                    silent.recv();
                    assertThat(silent.recv()).isEqualTo(GET_META);
                    silent.send(identity, ZMQ.SNDMORE);
                    silent.send(new byte[0], ZMQ.SNDMORE);
                    silent.send("late but good");
                }
            }
            assertThat(answer.get()).asString().isEqualTo("late but good");
        }
    }

    @Test
    void shouldBoundTheQuestionsThatWaitForOnePeer() throws Exception {
        int unused = closedPort();
        CompletableFuture<byte[]> last = ask(endpoint(unused), GET_META);
        for (int question = 0; question < 101; question++) {
            last = ask(endpoint(unused), GET_META);
        }
        assertFails(last, TransferException.Kind.OVERLOADED, "100 questions wait");
    }

    @Test
    void shouldForgetIdlePeersWhenThereAreMany() throws Exception {
        for (int peer = 0; peer < 12; peer++) {
            int other = channel.listen(HOST, 0, 1, (first, rank) -> (from, payload) -> Optional.of(new byte[] {7}));
            assertThat(ask(endpoint(other), GET_META).get()).containsExactly(7);
        }
    }

    @Test
    void shouldRefuseAnswersOfSeveralFrames() throws Exception {
        ZMQ.Socket chatty = context.createSocket(SocketType.REP);
        int chattyPort = chatty.bindToRandomPort("tcp://" + HOST);
        CompletableFuture<byte[]> answer = ask(endpoint(chattyPort), GET_META);
        chatty.recv();
        chatty.send("a", ZMQ.SNDMORE);
        chatty.send("b");
        assertFails(answer, TransferException.Kind.CORRUPT, "several frames");
    }

    @Test
    void shouldFailQuestionsForAHostThatDoesNotExist() {
        try (var hasty = ZmtpSideChannel.start(HASTY, counters)) {
            assertFails(
                    ask(hasty, "tcp://no-such-host.invalid:1", GET_META),
                    TransferException.Kind.PEER_GONE,
                    "no-such-host");
        }
    }

    @Test
    void shouldNotWaitForATaskThatHangsWhenItCloses() {
        ZmtpSideChannel hanging = ZmtpSideChannel.start(PATIENT, new Counters<>(HandoffCounter.class));
        var mayGoOn = new CompletableFuture<Boolean>();
        hanging.execute(mayGoOn::join);

        hanging.close(Duration.ofMillis(1));
        assertThat(hanging.isRunning()).isTrue();

        mayGoOn.complete(true);
        hanging.close();
        assertThat(hanging.isRunning()).isFalse();
    }

    @Test
    void shouldDeliverWhatIsPostedBeforeClosing() throws Exception {
        leases.lend("cmpl-7-0", new int[] {3}, 0);
        CompletableFuture<byte[]> answer;
        try (var other = ZmtpSideChannel.start(PATIENT, counters)) {
            answer = ask(other, endpoint(port), DONE);
        }
        assertThat(SideChannelCodec.isAcknowledgement(answer.get(20, TimeUnit.SECONDS)))
                .isTrue();
    }

    private static void assertFails(CompletableFuture<byte[]> answer, TransferException.Kind kind, String message) {
        assertThatThrownBy(answer::get)
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContaining(message);
    }

    private static HandoffLimits answering(Duration answerTimeout, int tries) {
        return new HandoffLimits(answerTimeout, tries, 100, 4, 32, 64, 4, Duration.ofSeconds(1));
    }

    private CompletableFuture<byte[]> ask(String endpoint, byte[] payload) {
        return ask(channel, endpoint, payload);
    }

    private static CompletableFuture<byte[]> ask(SideChannel channel, String endpoint, byte[] payload) {
        var answer = new CompletableFuture<byte[]>();
        channel.execute(() -> channel.client().ask(endpoint, payload, answer::complete, answer::completeExceptionally));
        return answer;
    }

    private ZMQ.Socket connect(SocketType type) {
        ZMQ.Socket socket = context.createSocket(type);
        socket.connect(endpoint(port));
        return socket;
    }

    private static String endpoint(int port) {
        return SideChannel.endpoint(HOST, Integer.toString(port));
    }

    /** A port that refuses connections: it is bound, so nobody else is given it, and not listened on. */
    private static int closedPort() {
        try {
            var socket = new Socket();
            socket.bind(new InetSocketAddress("127.0.0.1", 0));
            CLOSED.add(socket);
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
