package dev.tandem.engine.handoff;

import static dev.tandem.engine.handoff.HandoffReplica.HOST;
import static dev.tandem.engine.handoff.HandoffReplica.PROMPT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Engines of several ranks each, with all sockets real; the test plays the engine loops. */
@Timeout(120)
class HandoffRanksTest {
    private static final int[] LENT = {7, 2, 3, 9, 4};

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
        exchange(KvFixtures.heads(prefillSize, 16), KvFixtures.heads(decodeSize, decodeBlockSize));
    }

    @ParameterizedTest
    @CsvSource({"16, 16, 16", "16, 4, 32", "4, 16, 8", "16, 1, 16"})
    void shouldBringCachesWithoutHeadsToEveryRank(int prefillSize, int decodeSize, int decodeBlockSize) {
        exchange(KvFixtures.latents(prefillSize, 16), KvFixtures.latents(decodeSize, decodeBlockSize));
    }

    private void exchange(List<KvLayout> prefillLayouts, List<KvLayout> decodeLayouts) {
        HandoffReplica prefill = replica("0", runtime(), Role.PRODUCER, prefillLayouts, decodeLayouts.size());
        HandoffReplica decode = replica("1", runtime(), Role.CONSUMER, decodeLayouts, 1);
        prefill.write(LENT, 5);
        HandoffTicket ticket = overTheWire(prefill.handoff.lend("r", LENT, 42, 0));
        assertThat(ticket.tpSize()).hasValue(prefillLayouts.size());
        int[] local = decode.blocks();
        decode.handoff.fetch("r", ticket, PROMPT, 0, local, 0);
        assertThat(decode.next())
                .isInstanceOfSatisfying(
                        FetchDone.class, done -> assertThat(done.bytes()).isEqualTo(decode.tokenBytes() * PROMPT));
        decode.assertHolds(local, 0, 5);
        assertThat(prefill.next())
                .isInstanceOfSatisfying(
                        LeaseEnded.class, ended -> assertThat(ended.reason()).isEqualTo(Reason.RELEASED));
    }

    @Test
    void shouldServeSeveralReplicasOfOneProcessOverOneTransferEngine() {
        HandoffRuntime prefillRuntime = runtime();
        HandoffRuntime decodeRuntime = runtime();
        var prefills = new ArrayList<HandoffReplica>();
        var decodes = new ArrayList<HandoffReplica>();
        for (int replica = 0; replica < 3; replica++) {
            prefills.add(replica("0", prefillRuntime, Role.PRODUCER, 2, 1));
            decodes.add(replica("1", decodeRuntime, Role.CONSUMER, 1, 2));
            prefills.get(replica).write(LENT, replica);
        }
        for (int replica = 0; replica < 3; replica++) {
            HandoffTicket ticket = prefills.get(replica).handoff.lend("r", LENT, 42, 0); // the same request id in each
            decodes.get(replica).handoff.fetch("r", ticket, PROMPT, 0, LENT, 0);
        }
        for (int replica = 0; replica < 3; replica++) {
            assertThat(decodes.get(replica).next()).isInstanceOf(FetchDone.class);
            decodes.get(replica).assertHolds(LENT, 0, replica);
            assertThat(prefills.get(replica).next()).isInstanceOf(LeaseEnded.class);
        }
        assertThat(decodeRuntime.counters().value(HandoffCounter.METADATA_ASKED))
                .isEqualTo(3 * 2);
    }

    @Test
    void shouldGoOnServingWhenOneReplicaOfTheProcessCloses() throws Exception {
        HandoffRuntime runtime = runtime();
        HandoffReplica first = replica("0", runtime, Role.PRODUCER, 2, 1);
        HandoffReplica second = replica("0", runtime, Role.PRODUCER, 2, 1);
        HandoffReplica decode = replica("1", runtime(), Role.CONSUMER, 1, 2);
        HandoffTicket lost = first.handoff.lend("lost", LENT, 42, 0);
        first.close();
        opened.remove(first);
        second.write(LENT, 5);
        decode.handoff.fetch("lost", lost, PROMPT, 0, new int[] {0, 1, 5, 6, 8}, 0);
        decode.handoff.fetch("r", second.handoff.lend("r", LENT, 42, 0), PROMPT, 0, LENT, 0);
        var events = List.of(decode.next(), decode.next());
        assertThat(events).anySatisfy(event -> assertThat(event).isInstanceOf(FetchDone.class));
        assertThat(events).anySatisfy(event -> assertThat(event).isInstanceOf(FetchFailed.class));
        decode.assertHolds(LENT, 0, 5);
    }

    /** A ticket that says no size, as v0.11.0rc1 writes it, and a gateway that drops unknown keys: the configured size holds. */
    @Test
    void shouldTakeTheConfiguredSizeWhenTheTicketSaysNone() {
        HandoffReplica prefill = replica("0", runtime(), Role.PRODUCER, 4, 1);
        HandoffReplica decode = replica("1", runtime(), Role.CONSUMER, 1, 4);
        prefill.write(LENT, 5);
        HandoffTicket whole = prefill.handoff.lend("r", LENT, 42, 0);
        var bare = new HandoffTicket(whole.engineId(), whole.host(), whole.port(), whole.blockIds(), 42, Map.of());
        decode.handoff.fetch("r", bare, PROMPT, 0, LENT, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        decode.assertHolds(LENT, 0, 5);
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldRefuseAPeerWithAnotherNumberOfRanksThanConfigured() {
        HandoffReplica prefill = replica("0", runtime(), Role.PRODUCER, 4, 1);
        HandoffReplica decode = replica("1", runtime(), Role.CONSUMER, 1, 2);
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
        HandoffReplica prefill = replica("0", runtime(), Role.PRODUCER, 8, 2);
        prefill.handoff.lend("r", LENT, 42, 0);
        for (int rank : List.of(0, 2, 2, 0, 4)) {
            tellDone(prefill, rank, Map.of());
        }
        assertThat(prefill.handoff.poll(0))
                .as("three of four ports, two of them twice")
                .isEmpty();
        tellDone(prefill, 6, Map.of());
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    /** A cache without heads counts as one head: each of v0.11.0rc1's D ranks reads one P rank, chosen by the request id. */
    @ParameterizedTest
    @CsvSource({"16, 16", "16, 4", "16, 1"})
    void shouldReleaseCachesWithoutHeadsByOnePlainDoneMessageOfEachReader(int prefillSize, int decodeSize) {
        HandoffReplica prefill =
                replica("0", runtime(), Role.PRODUCER, KvFixtures.latents(prefillSize, 16), decodeSize);
        prefill.handoff.lend("r", LENT, 42, 0);
        for (int reader = 0; reader < decodeSize; reader++) {
            assertThat(prefill.handoff.poll(0)).as("before reader %d", reader).isEmpty();
            tellDone(prefill, (5 + reader) % prefillSize, Map.of());
        }
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldReleaseByTheCountThatNewerNodesAnnounce() {
        HandoffReplica prefill = replica("0", runtime(), Role.PRODUCER, 2, 8);
        int port = prefill.handoff.sideChannelPort();
        prefill.handoff.lend("r", LENT, 42, 0);
        Map<Integer, Integer> announced = Map.of(port, 2, port + 1, 0, 9, 5);
        tellDone(prefill, 1, announced);
        tellDone(prefill, 0, announced);
        assertThat(prefill.handoff.poll(0)).isEmpty();
        tellDone(prefill, 0, announced);
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldNameThePortAndRankThatIsTaken() {
        HandoffRuntime runtime = runtime();
        HandoffReplica first = replica("0", runtime, Role.PRODUCER, 4, 1);
        int third = first.handoff.sideChannelPort() + 2;
        assertThatThrownBy(() -> replica(config("1", third, Role.PRODUCER, 1), runtime(), KvFixtures.heads(2, 16)))
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
        HandoffRuntime runtime = runtime();
        var config = config("0", 0, Role.BOTH, 1);
        assertThatThrownBy(() -> TestConnector.start(config, List.of(small, large), runtime, () -> {}))
                .hasMessageContaining("pools of 4 and 5 blocks");
    }

    private static HandoffTicket overTheWire(HandoffTicket ticket) {
        return HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
    }

    private HandoffRuntime runtime() {
        var runtime = HandoffRuntime.start(HOST);
        opened.push(runtime);
        return runtime;
    }

    private HandoffReplica replica(String engineId, HandoffRuntime runtime, Role role, int tpSize, int peerTpSize) {
        return replica(engineId, runtime, role, KvFixtures.heads(tpSize, 16), peerTpSize);
    }

    private HandoffReplica replica(
            String engineId, HandoffRuntime runtime, Role role, List<KvLayout> layouts, int peerTpSize) {
        return replica(config(engineId, 0, role, peerTpSize), runtime, layouts);
    }

    private HandoffReplica replica(HandoffConfig config, HandoffRuntime runtime, List<KvLayout> layouts) {
        var replica = new HandoffReplica(config, runtime, layouts);
        opened.push(replica);
        return replica;
    }

    private static HandoffConfig config(String engineId, int port, Role role, int peerTpSize) {
        return HandoffReplica.config(engineId, port, role, Connector.PULL, new Peers.FromTicket(peerTpSize));
    }

    /** Says done to one rank's port and waits for the answer. */
    private static void tellDone(HandoffReplica replica, int rank, Map<Integer, Integer> sends) {
        byte[] message = SideChannelCodec.encodeDoneReceiving("r", HOST, new TreeMap<>(sends), OptionalLong.empty());
        int port = replica.handoff.sideChannelPort() + rank;
        assertThat(SideChannelCodec.isAcknowledgement(replica.ask(HOST, port, message)))
                .isTrue();
    }
}
