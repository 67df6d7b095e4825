package dev.tandem.engine.handoff;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Part;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffConfig.Terms;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Engines of several ranks each, with all sockets real; the test plays the engine loops. */
@Timeout(120)
class HandoffRanksTest {
    private static final String HOST = "127.0.0.1";
    private static final int HEADS = 4;
    private static final int PROMPT = 75;
    private static final int[] LENT = {7, 2, 3, 9, 4};
    private static final Terms TERMS = new Terms(Duration.ofSeconds(60), Duration.ofSeconds(20), FailurePolicy.FAIL);

    private final ArrayDeque<AutoCloseable> opened = new ArrayDeque<>();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    @ParameterizedTest
    @CsvSource({"8, 1, 16", "8, 2, 16", "4, 4, 16", "1, 4, 16", "2, 8, 16", "8, 2, 32", "1, 4, 8", "16, 16, 16"})
    void shouldBringTheBytesBetweenUnequalRanks(int prefillSize, int decodeSize, int decodeBlockSize) {
        Replica prefill = replica("0", hub(), Role.PRODUCER, prefillSize, decodeSize, 16);
        Replica decode = replica("1", hub(), Role.CONSUMER, decodeSize, 1, decodeBlockSize);
        prefill.write(LENT, 5);
        HandoffTicket ticket = overTheWire(prefill.handoff.lend("r", LENT, 42, 0));
        assertThat(ticket.tpSize()).hasValue(prefillSize);
        int[] local = new int[decode.pools.getFirst().layout().blocksFor(PROMPT)];
        for (int block = 0; block < local.length; block++) {
            local[block] = local.length - block;
        }
        decode.handoff.fetch("r", ticket, PROMPT, 0, local, 0);
        assertThat(decode.next())
                .isInstanceOfSatisfying(
                        FetchDone.class, done -> assertThat(done.bytes()).isEqualTo(decode.tokenBytes() * PROMPT));
        decode.assertHolds(local, 5);
        assertThat(prefill.next())
                .isInstanceOfSatisfying(
                        LeaseEnded.class, ended -> assertThat(ended.reason()).isEqualTo(Reason.RELEASED));
    }

    @Test
    void shouldServeSeveralReplicasOfOneProcessOverOneTransferEngine() {
        HandoffHub prefillHub = hub();
        HandoffHub decodeHub = hub();
        var prefills = new ArrayList<Replica>();
        var decodes = new ArrayList<Replica>();
        for (int replica = 0; replica < 3; replica++) {
            prefills.add(replica("0", prefillHub, Role.PRODUCER, 2, 1, 16));
            decodes.add(replica("1", decodeHub, Role.CONSUMER, 1, 2, 16));
            prefills.get(replica).write(LENT, replica);
        }
        for (int replica = 0; replica < 3; replica++) {
            HandoffTicket ticket = prefills.get(replica).handoff.lend("r", LENT, 42, 0); // the same request id in each
            decodes.get(replica).handoff.fetch("r", ticket, PROMPT, 0, LENT, 0);
        }
        for (int replica = 0; replica < 3; replica++) {
            assertThat(decodes.get(replica).next()).isInstanceOf(FetchDone.class);
            decodes.get(replica).assertHolds(LENT, replica);
            assertThat(prefills.get(replica).next()).isInstanceOf(LeaseEnded.class);
        }
        assertThat(decodeHub.counters().get(HandoffCounter.METADATA_ASKED)).isEqualTo(3 * 2);
    }

    @Test
    void shouldGoOnServingWhenOneReplicaOfTheProcessCloses() throws Exception {
        HandoffHub hub = hub();
        Replica first = replica("0", hub, Role.PRODUCER, 2, 1, 16);
        Replica second = replica("0", hub, Role.PRODUCER, 2, 1, 16);
        Replica decode = replica("1", hub(), Role.CONSUMER, 1, 2, 16);
        HandoffTicket lost = first.handoff.lend("lost", LENT, 42, 0);
        first.close();
        opened.remove(first);
        second.write(LENT, 5);
        decode.handoff.fetch("lost", lost, PROMPT, 0, new int[] {0, 1, 5, 6, 8}, 0);
        decode.handoff.fetch("r", second.handoff.lend("r", LENT, 42, 0), PROMPT, 0, LENT, 0);
        var events = List.of(decode.next(), decode.next());
        assertThat(events).anySatisfy(event -> assertThat(event).isInstanceOf(FetchDone.class));
        assertThat(events).anySatisfy(event -> assertThat(event).isInstanceOf(FetchFailed.class));
        decode.assertHolds(LENT, 5);
    }

    /** A ticket that says no size, as v0.11.0rc1 writes it, and a gateway that drops unknown keys: the configured size holds. */
    @Test
    void shouldTakeTheConfiguredSizeWhenTheTicketSaysNone() {
        Replica prefill = replica("0", hub(), Role.PRODUCER, 4, 1, 16);
        Replica decode = replica("1", hub(), Role.CONSUMER, 1, 4, 16);
        prefill.write(LENT, 5);
        HandoffTicket whole = prefill.handoff.lend("r", LENT, 42, 0);
        var bare = new HandoffTicket(whole.engineId(), whole.host(), whole.port(), whole.blockIds(), 42, Map.of());
        decode.handoff.fetch("r", bare, PROMPT, 0, LENT, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        decode.assertHolds(LENT, 5);
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldRefuseAPeerWithAnotherNumberOfRanksThanConfigured() {
        Replica prefill = replica("0", hub(), Role.PRODUCER, 4, 1, 16);
        Replica decode = replica("1", hub(), Role.CONSUMER, 1, 2, 16);
        HandoffTicket whole = prefill.handoff.lend("r", LENT, 42, 0);
        var bare = new HandoffTicket(whole.engineId(), whole.host(), whole.port(), whole.blockIds(), 42, Map.of());
        decode.handoff.fetch("r", bare, PROMPT, 0, LENT, 0);
        assertThat(decode.next())
                .isInstanceOfSatisfying(
                        FetchFailed.class,
                        failed -> assertThat(failed.cause().getMessage())
                                .as("whichever rank answers first")
                                .containsPattern("tensor rank (\\d) of 4, .* rank \\1 of 2"));
    }

    /** Each of v0.11.0rc1's D ranks says done to the P ranks that it read, without a count. */
    @Test
    void shouldReleaseByTheCountOfPlainDoneMessages() {
        Replica prefill = replica("0", hub(), Role.PRODUCER, 8, 2, 16);
        prefill.handoff.lend("r", LENT, 42, 0);
        for (int rank : List.of(0, 2, 2, 0, 4)) {
            prefill.tellDone(rank, "r", Map.of());
        }
        assertThat(prefill.handoff.poll(0))
                .as("three of four ports, two of them twice")
                .isEmpty();
        prefill.tellDone(6, "r", Map.of());
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldReleaseByTheCountThatNewerNodesAnnounce() {
        Replica prefill = replica("0", hub(), Role.PRODUCER, 2, 8, 16);
        int port = prefill.handoff.sideChannelPort();
        prefill.handoff.lend("r", LENT, 42, 0);
        Map<Integer, Integer> announced = Map.of(port, 2, port + 1, 0, 9, 5);
        prefill.tellDone(1, "r", announced);
        prefill.tellDone(0, "r", announced);
        assertThat(prefill.handoff.poll(0)).isEmpty();
        prefill.tellDone(0, "r", announced);
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldNameThePortAndRankThatIsTaken() {
        HandoffHub hub = hub();
        Replica first = replica("0", hub, Role.PRODUCER, 4, 1, 16);
        int third = first.handoff.sideChannelPort() + 2;
        assertThatThrownBy(() -> replica("1", third, hub(), Role.PRODUCER, 2, 1, 16))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("tensor rank 0")
                .hasMessageContaining(HOST + ":" + third + " (kv_port): the port is in use");
    }

    @Test
    void shouldRefusePoolsThatAreNotAlike() {
        var small = new KvPool(KvFixtures.layout(16, 1, 1, 8), 4);
        var large = new KvPool(KvFixtures.layout(16, 1, 1, 8), 5);
        opened.push(small);
        opened.push(large);
        HandoffHub hub = hub();
        var config = new HandoffConfig("0", 0, new Part(Role.BOTH, Connector.PULL), 1, TERMS);
        assertThatThrownBy(() -> Handoff.start(config, List.of(small, large), hub, () -> {}))
                .hasMessageContaining("pools of 4 and 5 blocks");
    }

    private static HandoffTicket overTheWire(HandoffTicket ticket) {
        return HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
    }

    private HandoffHub hub() {
        var hub = HandoffHub.startCold(HandoffHub.Setup.of(HOST), HandoffLimits.standard());
        opened.push(hub);
        return hub;
    }

    private Replica replica(String engineId, HandoffHub hub, Role role, int tpSize, int peerTpSize, int blockSize) {
        return replica(engineId, 0, hub, role, tpSize, peerTpSize, blockSize);
    }

    private Replica replica(
            String engineId, int port, HandoffHub hub, Role role, int tpSize, int peerTpSize, int blockSize) {
        var replica = new Replica(
                new HandoffConfig(engineId, port, new Part(role, Connector.PULL), peerTpSize, TERMS),
                hub,
                tpSize,
                blockSize);
        opened.push(replica);
        return replica;
    }

    /** One data-parallel replica: a pool for each rank, and the engine loop's waiting for events. */
    private static final class Replica implements AutoCloseable {
        final List<KvPool> pools = new ArrayList<>();
        final HandoffHub hub;
        final Handoff handoff;
        private final Semaphore wakes = new Semaphore(0);
        private final ArrayDeque<HandoffEvent> unread = new ArrayDeque<>();

        Replica(HandoffConfig config, HandoffHub hub, int tpSize, int blockSize) {
            this.hub = hub;
            for (int rank = 0; rank < tpSize; rank++) {
                Shard heads = new Rank(rank, tpSize, 0, 1).shardOfKvHeads(HEADS);
                pools.add(new KvPool(
                        KvFixtures.rank(blockSize, 3, 8, heads.from(), heads.to() - heads.from(), HEADS), 12));
            }
            this.handoff = Handoff.start(config, pools, hub, wakes::release);
        }

        void write(int[] blocks, long seed) {
            pools.forEach(pool -> KvFixtures.write(pool, blocks, 0, PROMPT, seed));
        }

        long tokenBytes() {
            return pools.stream().mapToLong(pool -> pool.layout().tokenBytes()).sum();
        }

        void assertHolds(int[] blocks, long seed) {
            for (KvPool pool : pools) {
                try (var expected = new KvPool(pool.layout(), pool.blockCount())) {
                    KvFixtures.write(expected, blocks, 0, PROMPT, seed);
                    assertThat(KvFixtures.snapshot(pool)).isEqualTo(KvFixtures.snapshot(expected));
                }
            }
        }

        /** Says done to one rank's port and waits for the answer. */
        void tellDone(int rank, String requestId, Map<Integer, Integer> sends) {
            byte[] message = SideChannelCodec.encodeDoneReceiving(requestId, HOST, new TreeMap<>(sends));
            var answer = new CompletableFuture<byte[]>();
            String endpoint = SideChannel.endpoint(HOST, Integer.toString(handoff.sideChannelPort() + rank));
            hub.channel()
                    .execute(() -> hub.channel()
                            .questions()
                            .ask(endpoint, message, answer::complete, answer::completeExceptionally));
            assertThat(SideChannelCodec.isAcknowledgement(
                            answer.orTimeout(10, TimeUnit.SECONDS).join()))
                    .isTrue();
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

        @Override
        public void close() {
            handoff.close();
            pools.forEach(KvPool::close);
        }
    }
}
