package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.wire.StatusFrame;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Our client against peers that are old, slow, dead, wrong or hostile. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class PeerFaultsTest {
    private static final Duration DEADLINE = Duration.ofSeconds(40);
    private static final long REMOTE = 0x7000_0000_0000L;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment local = arena.allocate(32 << 20);
    private final List<AutoCloseable> opened = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable each : opened.reversed()) {
            each.close();
        }
        arena.close();
    }

    @Test
    void shouldReadFromAV1Peer() {
        FakePeer peer = peer(1, FakePeer.Link::serveAll);

        Transfer.Moved moved = join(read(engine(), peer, 100, 5_000));

        assertThat(moved).extracting("bytes", "isConfirmed").containsExactly(500_000L, true);
        assertPattern(100, 5_000);
        assertThat(peer.connectionCount.get()).isLessThanOrEqualTo(4);
    }

    @Test
    void shouldReportWritesToAV1PeerAsUnconfirmed() {
        FakePeer peer = peer(1, FakePeer.Link::serveAll);
        TransferEngine engine = engine();

        Transfer.Moved moved = join(engine.write(peer.name(), spans(10, 100_000), DEADLINE));

        assertThat(moved).extracting("bytes", "isConfirmed").containsExactly(1_000_000L, false);
        assertThat(count(engine, TransferCounter.UNCONFIRMED_TRANSFERS)).isEqualTo(1);
    }

    /** Mooncake up to 0.3.9. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void shouldServeAPeerThatClosesAfterOneRequest(boolean isWrite) {
        AtomicInteger servedBytes = new AtomicInteger();
        CountDownLatch served = new CountDownLatch(200);
        FakePeer peer = peer(1, link -> {
            FakePeer.Request request = link.request();
            link.serve(request);
            servedBytes.addAndGet(request.bytes());
            served.countDown();
        });
        TransferEngine engine = engine();
        SpanBatch spans = spans(200, 2_000);

        Transfer transfer =
                isWrite ? engine.write(peer.name(), spans, DEADLINE) : engine.read(peer.name(), spans, DEADLINE);

        assertThat(join(transfer).bytes()).isEqualTo(400_000);
        if (!isWrite) {
            assertPattern(200, 2_000);
        }
        await(served);
        assertThat(servedBytes).hasValue(400_000);
        assertThat(peer.handshakeCount).hasValue(1);
    }

    @Test
    void shouldFollowAPeerThatClosesIdleConnections() {
        FakePeer peer = peer(2, link -> {
            for (int i = 0; i < 3; i++) {
                link.serve(link.request());
            }
        });
        TransferEngine engine = engine();

        for (int i = 0; i < 20; i++) {
            assertThat(join(read(engine, peer, 1, 1_000)).bytes()).isEqualTo(1_000);
        }
        assertThat(join(read(engine, peer, 50, 1_000)).bytes()).isEqualTo(50_000);
        assertPattern(50, 1_000);
    }

    @Test
    void shouldStopSendingALargeWriteThatIsRefused() {
        FakePeer peer = peer(2, link -> {
            link.request();
            link.status(StatusFrame.REJECTED); // and reads nothing of the body
        });

        Transfer transfer = engine().write(peer.name(), spans(1, 32 << 20), DEADLINE);

        assertThat(failure(transfer).kind()).isEqualTo(Kind.REJECTED);
    }

    @Test
    void shouldNotFailTransfersBehindARefusedOne() {
        FakePeer peer = peer(2, link -> {
            while (true) {
                FakePeer.Request request = link.request();
                if (request.bytes() == 777) {
                    link.status(StatusFrame.REJECTED);
                    return;
                }
                link.serve(request);
            }
        });
        TransferEngine engine = engine();
        List<Transfer> good = new ArrayList<>();
        List<Transfer> refused = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            long offset = i * 100_000L;
            good.add(engine.read(peer.name(), spans(offset, 10, 1_000), DEADLINE));
            refused.add(engine.read(peer.name(), spans(offset + 50_000, 1, 777), DEADLINE));
        }

        for (Transfer transfer : good) {
            assertThat(join(transfer).bytes()).isEqualTo(10_000);
        }
        for (Transfer transfer : refused) {
            assertThat(failure(transfer).kind()).isEqualTo(Kind.REJECTED);
        }
    }

    @Test
    void shouldNameTheByteAtWhichAPeerWasLost() {
        FakePeer peer = peer(2, link -> {
            FakePeer.Request request = link.request();
            link.status(StatusFrame.OK);
            link.payload(request, 0, 1_234);
        });

        TransferException failure = failure(read(engine(), peer, 1, 10_000));

        assertThat(failure.kind()).isEqualTo(Kind.PEER_GONE);
        assertThat(failure).hasMessageContaining("byte 1234").hasMessageContaining("span 0 of 1");
    }

    @Test
    void shouldFailWhenNobodyListens() throws IOException {
        FakePeer gone = peer(2, FakePeer.Link::serveAll);
        gone.close();

        assertThat(failure(read(engine(), gone, 1, 10)).kind()).isEqualTo(Kind.PEER_GONE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "nonsense:port", "127.0.0.1:99999", "\u0000", "{}"})
    void shouldFailATransferWithRubbishForAPeer(String peer) {
        Transfer transfer = engine().read(peer, spans(1, 10), DEADLINE);

        assertThat(failure(transfer).kind()).isIn(Kind.PEER_GONE, Kind.CORRUPT);
    }

    @Test
    void shouldFailWhenOnlyTheDataPortIsGone() throws IOException {
        FakePeer peer = peer(2, FakePeer.Link::serveAll);
        peer.closeDataPort();

        assertThat(failure(read(engine(), peer, 1, 10)).kind()).isEqualTo(Kind.PEER_GONE);
    }

    @Test
    void shouldTimeOutOnAPeerThatStallsInsideABody() {
        FakePeer peer = peer(2, link -> {
            FakePeer.Request request = link.request();
            link.status(StatusFrame.OK);
            link.payload(request, 0, 10);
            link.awaitEnd();
        });

        TransferException failure = failure(read(engine(Duration.ofMillis(300)), peer, 1, 1_000));

        assertThat(failure.kind()).isEqualTo(Kind.TIMED_OUT);
        assertThat(failure).hasMessageContaining("no byte for 300 ms");
    }

    @Test
    void shouldTimeOutOnAPeerThatNeverAcknowledges() {
        FakePeer peer = peer(2, FakePeer.Link::awaitEnd);

        Transfer transfer = engine(Duration.ofMillis(300)).write(peer.name(), spans(1, 1_000), DEADLINE);

        assertThat(failure(transfer).kind()).isEqualTo(Kind.TIMED_OUT);
    }

    @Test
    void shouldTimeOutAtTheDeadlineOfTheBatch() {
        FakePeer peer = peer(2, link -> {
            FakePeer.Request request = link.request();
            link.status(StatusFrame.OK);
            for (int i = 0; i < request.bytes(); i++) {
                link.payload(request, i, i + 1); // always some progress
                pause();
            }
        });

        Transfer transfer = engine().read(peer.name(), spans(1, 1_000_000), Duration.ofMillis(300));

        assertThat(failure(transfer)).hasMessageContaining("deadline passed");
    }

    @Test
    void shouldTimeOutOnAHandshakeThatNeverAnswers() throws IOException {
        try (java.net.ServerSocket silent =
                new java.net.ServerSocket(0, 5, java.net.InetAddress.getByName("127.0.0.1"))) {
            TransferEngine engine = engine(new TransferConfig.Timeouts(Duration.ofMillis(300), Duration.ofSeconds(30)));

            Transfer transfer = engine.read("127.0.0.1:" + silent.getLocalPort(), spans(1, 10), DEADLINE);

            assertThat(failure(transfer).kind()).isEqualTo(Kind.TIMED_OUT);
        }
    }

    /** A legacy server takes v2 opcodes for reads and answers without a status frame. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void shouldNotMistakeALegacyPeersPayloadForAnAnswer(boolean isWrite) {
        FakePeer peer = peer(2, link -> {
            while (true) {
                FakePeer.Request request = link.request();
                link.payload(request, 0, request.bytes());
            }
        });
        TransferEngine engine = engine();
        SpanBatch spans = spans(1, 8 << 20);

        Transfer transfer =
                isWrite ? engine.write(peer.name(), spans, DEADLINE) : engine.read(peer.name(), spans, DEADLINE);

        assertThat(failure(transfer).kind()).isEqualTo(Kind.CORRUPT);
    }

    @Test
    void shouldAskAgainWhoThePeerIsAfterACorruptAnswer() {
        FakePeer peer = peer(2, link -> link.out.write(new byte[64]));
        TransferEngine engine = engine();

        failure(read(engine, peer, 1, 10));
        failure(read(engine, peer, 1, 10));

        assertThat(peer.handshakeCount).hasValue(2);
    }

    @Test
    void shouldRefuseAnAcknowledgementThatComesBeforeTheBody() {
        CountDownLatch isOver = new CountDownLatch(1);
        FakePeer peer = peer(2, link -> {
            link.request();
            for (int i = 0; i < 32; i++) {
                link.status(StatusFrame.OK);
            }
            await(isOver); // and reads no more than what the sockets hold
        });

        Transfer transfer = engine(1).write(peer.name(), spans(1, 32 << 20), DEADLINE);

        assertThat(failure(transfer).kind()).isIn(Kind.CORRUPT, Kind.PEER_GONE);
        isOver.countDown();
    }

    @Test
    void shouldRefuseBytesWithAWrongChecksum() {
        FakePeer peer = new FakePeer(2, true, link -> {
            FakePeer.Request request = link.request();
            link.serve(request);
            link.out.write(new byte[4]);
            link.serveAll();
        });
        opened.add(peer);

        TransferException failure = failure(read(engine(), peer, 1, 1_000));

        assertThat(failure.kind()).isEqualTo(Kind.CORRUPT);
        assertThat(failure).hasMessageContaining("checksum");
    }

    @Test
    void shouldReportThatAPeerReceivedOtherBytes() {
        FakePeer peer = new FakePeer(2, true, link -> {
            FakePeer.Request request = link.request();
            link.in.readNBytes(request.bytes() + 4);
            link.status(StatusFrame.CHECKSUM_MISMATCH);
            link.awaitEnd();
        });
        opened.add(peer);

        Transfer transfer = engine().write(peer.name(), spans(1, 1_000), DEADLINE);

        assertThat(failure(transfer).kind()).isEqualTo(Kind.CORRUPT);
    }

    @Test
    void shouldNotTouchMemoryAfterACancelledRead() throws Exception {
        CountDownLatch half = new CountDownLatch(1);
        CountDownLatch isCancelled = new CountDownLatch(1);
        FakePeer peer = peer(2, link -> {
            FakePeer.Request request = link.request();
            link.status(StatusFrame.OK);
            link.payload(request, 0, 500_000);
            half.countDown();
            await(isCancelled);
            link.payload(request, 500_000, request.bytes());
            link.serveAll();
        });
        TransferEngine engine = engine();
        Transfer transfer = read(engine, peer, 1, 1_000_000);
        await(half);

        transfer.cancel();
        assertThat(failure(transfer).kind()).isEqualTo(Kind.CANCELLED);
        local.fill((byte) 0x55);
        isCancelled.countDown();
        // The same connection answers this one after it has sent the rest of the first.
        assertThat(join(engine.read(peer.name(), spans(2_000_000, 1, 1_000), DEADLINE))
                        .bytes())
                .isEqualTo(1_000);

        assertThat(peer.connectionCount).hasValue(1);
        for (int i = 0; i < 1_000_000; i++) {
            assertThat(local.get(ValueLayout.JAVA_BYTE, i)).isEqualTo((byte) 0x55);
        }
    }

    @Test
    void shouldEndTheStreamInsideTheBodyOfACancelledWrite() throws Exception {
        CountDownLatch isBegun = new CountDownLatch(1);
        CountDownLatch isCancelled = new CountDownLatch(1);
        CompletableFuture<Long> seen = new CompletableFuture<>();
        AtomicInteger connections = new AtomicInteger();
        FakePeer peer = peer(2, link -> {
            if (connections.getAndIncrement() > 0) {
                link.serveAll();
            }
            link.request();
            isBegun.countDown();
            await(isCancelled);
            seen.complete(link.awaitEnd());
        });
        TransferEngine engine = engine(1);
        Transfer transfer = engine.write(peer.name(), spans(1, 32 << 20), DEADLINE);
        await(isBegun);

        transfer.cancel();
        assertThat(failure(transfer).kind()).isEqualTo(Kind.CANCELLED);
        isCancelled.countDown();

        assertThat(seen.get()).isLessThan(32 << 20);
        assertThat(join(engine.write(peer.name(), spans(3, 1_000), DEADLINE)).bytes())
                .isEqualTo(3_000);
    }

    @Test
    void shouldGoOnWithOtherWritesWhenOneIsCancelled() throws Exception {
        CountDownLatch isBegun = new CountDownLatch(1);
        CountDownLatch isCancelled = new CountDownLatch(1);
        FakePeer peer = peer(2, link -> {
            FakePeer.Request first = link.request();
            isBegun.countDown();
            await(isCancelled);
            link.serve(first);
            link.serveAll();
        });
        TransferEngine engine = engine(1);
        Transfer first = engine.write(peer.name(), spans(0, 16, 1 << 20), DEADLINE);
        Transfer second = engine.write(peer.name(), spans(16 << 20, 16, 1 << 20), DEADLINE);
        await(isBegun);

        second.cancel();
        assertThat(failure(second).kind()).isEqualTo(Kind.CANCELLED);
        isCancelled.countDown();

        assertThat(join(first).bytes()).isEqualTo(16 << 20);
    }

    @Test
    void shouldKeepADeadPeerFromHoldingUpOthers() {
        FakePeer stalled = peer(2, FakePeer.Link::awaitEnd);
        FakePeer alive = peer(2, FakePeer.Link::serveAll);
        TransferEngine engine = engine();
        List<Transfer> stuck = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            stuck.add(engine.read(stalled.name(), spans(1, 1 << 20), DEADLINE));
        }

        for (int i = 0; i < 50; i++) {
            assertThat(join(read(engine, alive, 10, 1_000)).bytes()).isEqualTo(10_000);
        }

        assertThat(stuck).noneMatch(transfer -> transfer.done().isDone());
        stuck.forEach(Transfer::cancel);
        stuck.forEach(transfer -> assertThat(failure(transfer).kind()).isEqualTo(Kind.CANCELLED));
    }

    @Test
    void shouldFindAPeerThatCameBackWithAnotherDataPort() throws IOException {
        TransferConfig config = config(TransferConfig.of("127.0.0.1").timeouts(), 4);
        MemorySegment memory = arena.allocate(4_096);
        TransferEngine before = TransferEngine.start(config);
        int port = before.rpcPort();
        before.register(memory);
        TransferEngine engine = engine();
        SpanBatch spans = new SpanBatch(local, new long[] {0, memory.address(), 4_096});
        String name = before.segmentName();
        join(engine.read(name, spans, DEADLINE));
        before.close();

        TransferEngine after =
                TransferEngine.start(new TransferConfig("127.0.0.1", port, config.flow(), true, config.timeouts()));
        opened.add(after);
        after.register(memory);

        assertThat(join(engine.read(name, spans, DEADLINE)).bytes()).isEqualTo(4_096);
    }

    @Test
    void shouldCancelWhatIsPostedWhenItCloses() {
        FakePeer peer = peer(2, FakePeer.Link::awaitEnd);
        TransferEngine engine = engine();
        Transfer read = read(engine, peer, 4, 1 << 20);
        Transfer write = engine.write(peer.name(), spans(4, 1 << 20), DEADLINE);

        engine.close();

        assertThat(failure(read).kind()).isEqualTo(Kind.CANCELLED);
        assertThat(failure(write).kind()).isEqualTo(Kind.CANCELLED);
        assertThat(failure(read(engine, peer, 1, 1)).kind()).isEqualTo(Kind.CANCELLED);
    }

    @Test
    void shouldRefuseMoreTransfersThanItsBound() {
        FakePeer peer = peer(2, FakePeer.Link::awaitEnd);
        TransferEngine engine = engine();
        SpanBatch spans = spans(1, 1);
        for (int i = 0; i < PeerTable.MAX_POSTED; i++) {
            engine.read(peer.name(), spans, DEADLINE);
        }

        assertThat(failure(engine.read(peer.name(), spans, DEADLINE)).kind()).isEqualTo(Kind.OVERLOADED);
    }

    /** Freed before the handshake is done, and so before the first request is made. */
    @Test
    void shouldOutliveACallerWhoFreesMemoryBeforeItIsUsed() {
        CountDownLatch isFreed = new CountDownLatch(1);
        FakePeer peer = peer(2, FakePeer.Link::serveAll);
        peer.beforeHandshake = () -> await(isFreed);
        TransferEngine engine = engine();
        Transfer transfer = readIntoFreedMemory(engine, peer, () -> {});
        isFreed.countDown();

        assertThat(failure(transfer).kind()).isEqualTo(Kind.CANCELLED);
        assertThat(join(read(engine, peer, 10, 1_000)).bytes()).isEqualTo(10_000);
        assertThat(engine.isRunning()).isTrue();
    }

    @Test
    void shouldOutliveACallerWhoFreesMemoryThatIsInUse() {
        CountDownLatch isAsked = new CountDownLatch(1);
        CountDownLatch isFreed = new CountDownLatch(1);
        FakePeer peer = peer(2, link -> {
            FakePeer.Request request = link.request();
            isAsked.countDown();
            await(isFreed);
            link.serve(request);
            link.serveAll();
        });
        TransferEngine engine = engine(1);
        Transfer transfer = readIntoFreedMemory(engine, peer, () -> await(isAsked));
        Transfer innocent = read(engine, peer, 10, 1_000);
        isFreed.countDown();

        assertThat(failure(transfer).kind()).isEqualTo(Kind.CANCELLED);
        assertThat(join(innocent).bytes()).isEqualTo(10_000);
        assertThat(engine.isRunning()).isTrue();
    }

    private static Transfer readIntoFreedMemory(TransferEngine engine, FakePeer peer, Runnable beforeItIsFreed) {
        try (Arena shortLived = Arena.ofShared()) {
            MemorySegment memory = shortLived.allocate(1_000);
            Transfer transfer =
                    engine.read(peer.name(), new SpanBatch(memory, new long[] {0, REMOTE, 1_000}), DEADLINE);
            beforeItIsFreed.run();
            return transfer;
        }
    }

    private FakePeer peer(int version, FakePeer.Session session) {
        FakePeer peer = new FakePeer(version, false, session);
        opened.add(peer);
        return peer;
    }

    private TransferEngine engine() {
        return engine(TransferConfig.of("127.0.0.1").timeouts());
    }

    private TransferEngine engine(Duration progress) {
        return engine(new TransferConfig.Timeouts(Duration.ofSeconds(5), progress));
    }

    private TransferEngine engine(TransferConfig.Timeouts timeouts) {
        TransferEngine engine = TransferEngine.start(config(timeouts, 4));
        opened.add(engine);
        return engine;
    }

    private TransferEngine engine(int connections) {
        TransferEngine engine =
                TransferEngine.start(config(TransferConfig.of("127.0.0.1").timeouts(), connections));
        opened.add(engine);
        return engine;
    }

    private static TransferConfig config(TransferConfig.Timeouts timeouts, int connections) {
        return new TransferConfig("127.0.0.1", 0, new TransferConfig.Flow(connections, 64 << 20, 0), true, timeouts);
    }

    private Transfer read(TransferEngine engine, FakePeer peer, int count, int bytes) {
        return engine.read(peer.name(), spans(count, bytes), DEADLINE);
    }

    private SpanBatch spans(int count, int bytes) {
        return spans(0, count, bytes);
    }

    private SpanBatch spans(long localStart, int count, int bytes) {
        long[] packed = new long[3 * count];
        for (int i = 0; i < count; i++) {
            packed[3 * i] = localStart + (long) i * bytes;
            packed[3 * i + 1] = REMOTE + (long) i * bytes;
            packed[3 * i + 2] = bytes;
        }
        return new SpanBatch(local, packed);
    }

    private void assertPattern(int count, int bytes) {
        for (long i = 0; i < (long) count * bytes; i++) {
            if (local.get(ValueLayout.JAVA_BYTE, i) != FakePeer.pattern(REMOTE + i)) {
                throw new AssertionError("byte " + i + " is not what the peer has");
            }
        }
    }

    private static Transfer.Moved join(Transfer transfer) {
        return transfer.done().join();
    }

    private static TransferException failure(Transfer transfer) {
        try {
            transfer.done().join();
        } catch (CompletionException e) {
            return (TransferException) e.getCause();
        }
        throw new AssertionError("transfer did not fail");
    }

    private static long count(TransferEngine engine, TransferCounter counter) {
        return engine.counters().value(counter);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Paces a peer that is slow by nature. */
    private static void pause() {
        LockSupport.parkNanos(1_000_000);
    }
}
