package dev.tandem.engine.handoff;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage;
import dev.tandem.engine.handoff.sidechannel.ZmtpSideChannel;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A prefill and a decode node in one process, with all sockets real; the test plays both engine loops. */
@Timeout(120)
class HandoffTest {
    private static final String HOST = "127.0.0.1";
    private static final Duration LEASE = Duration.ofSeconds(60);
    private static final Duration FETCH = Duration.ofSeconds(20);

    private final List<Node> nodes = new ArrayList<>();

    @AfterEach
    void close() {
        nodes.forEach(Node::close);
    }

    @Test
    void shouldBringTheBytesOfThePromptAndFreeThemThere() {
        Node prefill = node("0", Role.PRODUCER, KvFixtures.layout(16, 3, 2, 8), 12);
        Node decode = node("1", Role.CONSUMER, KvFixtures.layout(16, 3, 2, 8), 9);
        int[] lent = {7, 2, 3};
        KvFixtures.write(prefill.pool, lent, 0, 40, 5);
        HandoffTicket ticket = overTheWire(prefill.handoff.lend("r", lent, 42, 0));
        decode.handoff.fetch("r", ticket, 40, 0, new int[] {4, 5, 0}, 0);
        assertThat(decode.next())
                .isInstanceOfSatisfying(
                        FetchDone.class,
                        done -> assertThat(done.bytes())
                                .isEqualTo(40 * prefill.pool.layout().tokenBytes()));
        assertThat(KvFixtures.snapshot(decode.pool)).isEqualTo(written(decode, new int[] {4, 5, 0}, 0, 40, 5));
        prefill.assertEnded("r", Reason.RELEASED, lent);
        assertThat(ticket.lastTokenId()).isEqualTo(42);
    }

    @Test
    void shouldNotReadWhatIsCachedAlready() {
        KvLayout layout = KvFixtures.layout(8, 2, 2, 8);
        Node prefill = node("0", Role.PRODUCER, layout, 12);
        Node decode = node("1", Role.CONSUMER, layout, 9);
        KvFixtures.write(prefill.pool, new int[] {1, 2, 3}, 0, 20, 5);
        HandoffTicket ticket = prefill.handoff.lend("r", new int[] {1, 2, 3}, 42, 0);
        decode.handoff.fetch("r", ticket, 20, 16, new int[] {6, 7, 8}, 0);
        assertThat(decode.next())
                .isInstanceOfSatisfying(
                        FetchDone.class, done -> assertThat(done.bytes()).isEqualTo(4 * layout.tokenBytes()));
        assertThat(KvFixtures.snapshot(decode.pool)).isEqualTo(written(decode, new int[] {6, 7, 8}, 16, 20, 5));
    }

    @Test
    void shouldMoveBetweenDifferentBlockSizesInBothDirections() {
        Node small = node("0", Role.BOTH, KvFixtures.layout(12, 2, 2, 8), 12);
        Node large = node("1", Role.BOTH, KvFixtures.layout(32, 2, 2, 8), 9);
        KvFixtures.write(small.pool, new int[] {9, 1, 2, 3, 4, 7}, 0, 70, 5);
        large.handoff.fetch(
                "r", small.handoff.lend("r", new int[] {9, 1, 2, 3, 4, 7}, 1, 0), 70, 32, new int[] {8, 2, 5}, 0);
        assertThat(large.next()).isInstanceOf(FetchDone.class);
        assertThat(KvFixtures.snapshot(large.pool)).isEqualTo(written(large, new int[] {8, 2, 5}, 32, 70, 5));
        small.assertEnded("r", Reason.RELEASED, 9, 1, 2, 3, 4, 7);

        KvFixtures.write(large.pool, new int[] {0, 1}, 0, 40, 6);
        small.handoff.fetch("s", large.handoff.lend("s", new int[] {0, 1}, 1, 0), 40, 0, new int[] {11, 10, 0, 8}, 0);
        assertThat(small.next()).isInstanceOf(FetchDone.class);
        byte[] fetched = KvFixtures.snapshot(small.pool);
        small.pool.memory().fill((byte) 0);
        KvFixtures.write(small.pool, new int[] {9, 1, 2, 3, 4, 7}, 0, 70, 5);
        KvFixtures.write(small.pool, new int[] {11, 10, 0, 8}, 0, 40, 6);
        assertThat(fetched).isEqualTo(KvFixtures.snapshot(small.pool));
        large.assertEnded("s", Reason.RELEASED, 0, 1);
    }

    @Test
    void shouldRefuseALateReadAfterTheRelease() {
        Node prefill = node("0", Role.PRODUCER, KvFixtures.layout(16, 2, 2, 8), 12);
        Node decode = node("1", Role.CONSUMER, KvFixtures.layout(16, 2, 2, 8), 9);
        HandoffTicket ticket = prefill.handoff.lend("r", new int[] {1, 2}, 42, 0);
        decode.handoff.decline("r", new HandoffRole.Fetch(ticket), "");
        prefill.assertEnded("r", Reason.RELEASED, 1, 2);
        prefill.handoff.lend("next", new int[] {1, 2}, 42, 0); // the same blocks, lent to somebody else
        decode.handoff.fetch("r", ticket, 32, 0, new int[] {4, 5}, 0);
        decode.assertFailed("r", Kind.REJECTED);
        assertThat(KvFixtures.snapshot(decode.pool)).containsOnly(0);
        assertThat(prefill.handoff.counters().value(HandoffCounter.READS_REFUSED))
                .isPositive();
    }

    @Test
    void shouldRefuseALateReadAfterTheLeaseExpired() {
        Node prefill = node("0", Role.PRODUCER, KvFixtures.layout(16, 2, 2, 8), 12);
        Node decode = node("1", Role.CONSUMER, KvFixtures.layout(16, 2, 2, 8), 9);
        HandoffTicket ticket = prefill.handoff.lend("r", new int[] {1, 2}, 42, 1_000);
        assertThat(prefill.handoff.nextDeadlineNs()).isEqualTo(1_000 + LEASE.toNanos());
        assertThat(prefill.handoff.poll(1_000 + LEASE.toNanos()))
                .singleElement()
                .isInstanceOfSatisfying(
                        LeaseEnded.class, ended -> assertThat(ended.reason()).isEqualTo(Reason.EXPIRED));
        decode.handoff.fetch("r", ticket, 32, 0, new int[] {4, 5}, 0);
        decode.assertFailed("r", Kind.REJECTED);
    }

    @Test
    void shouldGiveBlocksBackOnCancel() {
        Node prefill = node("0", Role.PRODUCER, KvFixtures.layout(16, 2, 2, 8), 12);
        prefill.handoff.lend("r", new int[] {1, 2}, 42, 0);
        prefill.handoff.cancel("r", "no more");
        prefill.assertEnded("r", Reason.CANCELLED, 1, 2);
        assertThat(prefill.handoff.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void shouldCarryTwoHundredInterleavedRequests() {
        KvLayout layout = KvFixtures.layout(16, 2, 2, 8);
        Node prefill = node("0", Role.PRODUCER, layout, 1_000);
        Node decode = node("1", Role.CONSUMER, layout, 1_000);
        var random = new SplittableRandom(3);
        int[] there = KvFixtures.scattered(1_000, 1_000, random);
        int[] here = KvFixtures.scattered(1_000, 1_000, random);
        var lengths = new HashMap<String, Integer>();
        var blocks = new HashMap<String, int[]>();
        int used = 0;
        for (int request = 0; request < 200; request++) {
            int tokens = random.nextInt(1, 80);
            int needed = layout.blocksFor(tokens);
            int[] lent = java.util.Arrays.copyOfRange(there, used, used + needed);
            int[] local = java.util.Arrays.copyOfRange(here, used, used + needed);
            used += needed;
            String id = "cmpl-" + request;
            KvFixtures.write(prefill.pool, lent, 0, tokens, request);
            lengths.put(id, tokens);
            blocks.put(id, local);
            decode.handoff.fetch(id, overTheWire(prefill.handoff.lend(id, lent, 1, 0)), tokens, 0, local, 0);
        }
        for (int request = 0; request < 200; request++) {
            assertThat(decode.next()).isInstanceOf(FetchDone.class);
        }
        try (var expected = new KvPool(layout, 1_000)) {
            blocks.forEach((id, local) -> KvFixtures.write(
                    expected, local, 0, lengths.get(id), Integer.parseInt(id.substring("cmpl-".length()))));
            assertThat(KvFixtures.snapshot(decode.pool)).isEqualTo(KvFixtures.snapshot(expected));
        }
        int freed = 0;
        for (int request = 0; request < 200; request++) {
            assertThat(prefill.next())
                    .isInstanceOfSatisfying(
                            LeaseEnded.class,
                            ended -> assertThat(ended.reason()).isEqualTo(Reason.RELEASED));
            freed++;
        }
        assertThat(freed).isEqualTo(200);
        assertThat(decode.handoff.counters().value(HandoffCounter.METADATA_ASKED))
                .isEqualTo(1);
    }

    @Test
    void shouldFreeThePrefillNodesBlocksWhenTheDecodeNodeClosesInTheMiddle() {
        KvLayout layout = KvFixtures.layout(64, 8, 8, 64);
        Node prefill = node("0", Role.PRODUCER, layout, 40);
        Node decode = node("1", Role.CONSUMER, layout, 40);
        int[] blocks = IntStream.range(0, 40).toArray();
        HandoffTicket ticket = prefill.handoff.lend("r", blocks, 1, 0);
        decode.handoff.fetch("r", ticket, 40 * 64, 0, blocks, 0);
        decode.close(); // closes its pool as well: nothing may write into it any more
        nodes.remove(decode);
        prefill.assertEnded("r", Reason.RELEASED, blocks);
    }

    @Test
    void shouldEndTheFetchWhenThePrefillNodeClosesInTheMiddle() {
        KvLayout layout = KvFixtures.layout(64, 8, 8, 64);
        Node prefill = node("0", Role.PRODUCER, layout, 40);
        Node decode = node("1", Role.CONSUMER, layout, 40);
        int[] blocks = IntStream.range(0, 40).toArray();
        KvFixtures.write(prefill.pool, blocks, 0, 64, 5);
        decode.handoff.fetch("warm", prefill.handoff.lend("warm", new int[] {0}, 1, 0), 64, 0, new int[] {0}, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        decode.handoff.fetch("r", prefill.handoff.lend("r", blocks, 1, 0), 40 * 64, 0, blocks, 0);
        prefill.close();
        nodes.remove(prefill);
        HandoffEvent event = decode.next();
        if (event instanceof FetchDone done) { // it was quicker than the close
            assertThat(done.bytes()).isEqualTo(40 * layout.blockBytes());
        } else {
            assertThat(((FetchFailed) event).cause().kind()).isIn(Kind.PEER_GONE, Kind.REJECTED);
        }
    }

    @Test
    void shouldEndTheFetchAtItsDeadlineWhenTheTransferEngineIsSilent() throws IOException {
        try (var silent = new ServerSocket(0, 50, InetAddress.getByName(HOST))) {
            Node decode = node("1", Role.CONSUMER, KvFixtures.layout(16, 2, 2, 8), 9);
            HandoffTicket ticket = ticketOf(foreignPrefill(decode, silent.getLocalPort()), "life");
            decode.handoff.fetch("r", ticket, 32, 0, new int[] {4, 5}, 0);
            decode.handoff.fetch("s", ticket, 32, 0, new int[] {6, 7}, 1_000);
            decode.handoff.cancel("s", "no more");
            decode.assertFailed("s", Kind.CANCELLED);
            decode.handoff.poll(FETCH.toNanos());
            decode.assertFailed("r", Kind.TIMED_OUT);
        }
    }

    @Test
    void shouldEndTheFetchWhenTheTransferEngineTalksRubbish() throws IOException {
        try (var rubbish = new ServerSocket(0, 50, InetAddress.getByName(HOST))) {
            Thread talker = Thread.ofVirtual().start(() -> {
                try {
                    while (true) {
                        try (Socket socket = rubbish.accept()) {
                            socket.getOutputStream()
                                    .write(new byte[] {9, 0, 0, 0, 0, 0, 0, 0, 1, 'n', 'o', ' ', 'j', 's', 'o', 'n'});
                        }
                    }
                } catch (IOException e) {
                    // closed: the test is over
                }
            });
            Node decode = node("1", Role.CONSUMER, KvFixtures.layout(16, 2, 2, 8), 9);
            HandoffTicket ticket = ticketOf(foreignPrefill(decode, rubbish.getLocalPort()), "life");
            decode.handoff.fetch("r", ticket, 32, 0, new int[] {4, 5}, 0);
            assertThat(decode.next()).isInstanceOf(FetchFailed.class);
            assertThat(talker.isAlive()).isTrue();
        }
    }

    @Test
    void shouldEndTheFetchWhenTheSideChannelTalksRubbish() throws IOException {
        try (var rubbish = new ServerSocket(0, 50, InetAddress.getByName(HOST))) {
            Node decode = node("1", Role.CONSUMER, KvFixtures.layout(16, 2, 2, 8), 9);
            decode.handoff.fetch("r", ticketOf(rubbish.getLocalPort(), "life"), 32, 0, new int[] {4, 5}, 0);
            decode.assertFailed("r", Kind.PEER_GONE);
        }
    }

    @Test
    void shouldRefuseATicketOfANodeThatWasRestarted() {
        KvLayout layout = KvFixtures.layout(16, 2, 2, 8);
        Node prefill = node("0", Role.PRODUCER, layout, 12);
        Node decode = node("1", Role.CONSUMER, layout, 9);
        HandoffTicket first = prefill.handoff.lend("r", new int[] {1, 2}, 42, 0);
        decode.handoff.fetch("r", first, 32, 0, new int[] {4, 5}, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        int port = prefill.handoff.sideChannelPort();
        HandoffTicket lost = prefill.handoff.lend("lost", new int[] {1, 2}, 42, 0);
        prefill.close();
        nodes.remove(prefill);
        Node restarted = node("0", Role.PRODUCER, layout, 12, port);
        decode.handoff.fetch("lost", lost, 32, 0, new int[] {4, 5}, 0);
        assertThat(decode.next()).isInstanceOf(FetchFailed.class);
        decode.handoff.fetch("r", restarted.handoff.lend("r", new int[] {3, 4}, 42, 0), 32, 0, new int[] {4, 5}, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
    }

    @Test
    void shouldNameAPortInUse() {
        Node prefill = node("0", Role.PRODUCER, KvFixtures.layout(16, 2, 2, 8), 12);
        int port = prefill.handoff.sideChannelPort();
        assertThatThrownBy(() -> node("2", Role.PRODUCER, KvFixtures.layout(16, 2, 2, 8), 12, port))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining(HOST + ":" + port);
    }

    @Test
    void shouldRefusePartsThatTheRoleDoesNotPlay() {
        var producer = HandoffReplica.config("0", 0, Role.PRODUCER, Connector.PULL, new Peers.FromTicket(1));
        var consumer = HandoffReplica.config("1", 0, Role.CONSUMER, Connector.PULL, new Peers.FromTicket(1));
        assertThatThrownBy(
                        () -> RoleAdmission.require(Optional.of(producer), new HandoffRole.Fetch(ticketOf(1, "life"))))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("kv_role is PRODUCER");
        assertThatThrownBy(() -> RoleAdmission.require(Optional.of(consumer), new HandoffRole.Lend()))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("kv_role is CONSUMER");
    }

    /** A prefill node whose transfer engine is whatever listens on that port. */
    private int foreignPrefill(Node decode, int transferPort) {
        KvLayout layout = decode.pool.layout();
        var bases = IntStream.range(1, layout.planes().size() + 1)
                .mapToObj(plane -> (long) plane << 45)
                .toList();
        var metadata = new PeerMetadata(
                "0", transferPort, bases, 1 << 30, Optional.of(new PeerMetadata.Details("life", 0, 1, layout)));
        var channel = ZmtpSideChannel.start(HandoffLimits.standard(), new Counters<>(HandoffCounter.class));
        nodes.add(new Node(channel));
        return channel.listen(
                HOST,
                0,
                1,
                (port, rank) -> (from, payload) -> Optional.of(
                        switch (SideChannelCodec.decodeRequest(payload)) {
                            case SideChannelMessage.GetMetadata get ->
                                SideChannelCodec.encodeMetadata(metadata, HOST, port);
                            case SideChannelMessage.DoneReceiving done -> SideChannelCodec.acknowledgement();
                            case SideChannelMessage.DoneSending done -> SideChannelCodec.refusal();
                            case SideChannelMessage.FailedSending failed -> SideChannelCodec.refusal();
                        }));
    }

    private static HandoffTicket ticketOf(int port, String incarnation) {
        return new HandoffTicket("0", HOST, port, new long[] {5, 6}, 1, Map.of(HandoffTicket.INCARNATION, incarnation));
    }

    /** As JSON carries it: plain values only. */
    private static HandoffTicket overTheWire(HandoffTicket ticket) {
        return HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
    }

    private static byte[] written(Node node, int[] blocks, int from, int to, long seed) {
        try (var pool = new KvPool(node.pool.layout(), node.pool.blockCount())) {
            KvFixtures.write(pool, blocks, from, to, seed);
            return KvFixtures.snapshot(pool);
        }
    }

    private Node node(String engineId, Role role, KvLayout layout, int blockCount) {
        return node(engineId, role, layout, blockCount, 0);
    }

    private Node node(String engineId, Role role, KvLayout layout, int blockCount, int port) {
        var node = new Node(
                new HandoffConfig(
                        engineId,
                        port,
                        role,
                        Connector.PULL,
                        new Peers.FromTicket(1),
                        LEASE,
                        FETCH,
                        FailurePolicy.RECOMPUTE),
                new KvPool(layout, blockCount));
        nodes.add(node);
        return node;
    }

    /** A handoff, its pool, and the engine loop's waiting for events. */
    private static final class Node {
        final KvPool pool;
        final TestConnector handoff;
        private final Semaphore wakes = new Semaphore(0);
        private final ArrayDeque<HandoffEvent> unread = new ArrayDeque<>();
        private final Runnable closing;

        Node(HandoffConfig config, KvPool pool) {
            this.pool = pool;
            var runtime = HandoffRuntime.start(HOST);
            this.handoff = start(config, runtime);
            this.closing = () -> {
                handoff.close();
                runtime.close();
                pool.close();
            };
        }

        private TestConnector start(HandoffConfig config, HandoffRuntime runtime) {
            try {
                return TestConnector.start(config, List.of(pool), runtime, wakes::release);
            } catch (RuntimeException e) {
                runtime.close();
                throw e;
            }
        }

        @SuppressWarnings("NullAway") // only closed
        Node(SideChannel channel) {
            this.pool = null;
            this.handoff = null;
            this.closing = channel::close;
        }

        HandoffEvent next() {
            while (unread.isEmpty()) {
                try {
                    assertThat(wakes.tryAcquire(60, TimeUnit.SECONDS))
                            .as("woken")
                            .isTrue();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                unread.addAll(handoff.poll(0));
            }
            return unread.remove();
        }

        void assertEnded(String requestId, Reason reason, int... blockIds) {
            assertThat(next()).isInstanceOfSatisfying(LeaseEnded.class, ended -> {
                assertThat(ended.requestId()).isEqualTo(requestId);
                assertThat(ended.reason()).isEqualTo(reason);
                assertThat(ended.blockIds()).containsExactly(blockIds);
            });
        }

        void assertFailed(String requestId, Kind kind) {
            assertThat(next()).isInstanceOfSatisfying(FetchFailed.class, failed -> {
                assertThat(failed.requestId()).isEqualTo(requestId);
                assertThat(failed.cause()).isInstanceOf(TransferException.class);
                assertThat(failed.cause().kind())
                        .as(failed.cause().getMessage())
                        .isEqualTo(kind);
            });
        }

        void close() {
            closing.run();
        }
    }
}
