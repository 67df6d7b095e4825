package dev.tandem.engine.handoff;

import static dev.tandem.engine.handoff.HandoffReplica.HOST;
import static dev.tandem.engine.handoff.HandoffReplica.PROMPT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.HandoffEvent.PushFailed;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException.Kind;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A prefill and a decode engine that push, with all sockets real; the test plays the engine loops, the ranks and the metaserver. */
@Timeout(120)
class HandoffPushTest {
    private static final String METASERVER = TestConnector.METASERVER;
    private static final int[] HERE = {7, 2, 3, 9, 4};

    private final ArrayDeque<AutoCloseable> opened = new ArrayDeque<>();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 16", "2, 1, 16", "1, 2, 16", "8, 1, 16", "8, 2, 32", "4, 4, 16", "2, 8, 8", "1, 4, 8"})
    void shouldWriteEveryLayerIntoTheDecodeEnginesRanks(int prefillSize, int decodeSize, int decodeBlockSize) {
        exchange(prefill(prefillSize), decode(decodeSize, decodeBlockSize));
    }

    @ParameterizedTest
    @CsvSource({"16, 16, 16", "16, 4, 32", "4, 16, 8", "16, 1, 16"})
    void shouldWriteCachesWithoutHeadsIntoEveryRank(int prefillSize, int decodeSize, int decodeBlockSize) {
        exchange(prefill(KvFixtures.latents(prefillSize, 16)), decode(KvFixtures.latents(decodeSize, decodeBlockSize)));
    }

    private static void exchange(Replica prefill, Replica decode) {
        int[] there = decode.blocks();
        HandoffTicket target = decode.await("r", there, 0);
        prefill.write(5);
        prefill.push("r", target);
        prefill.computeAll("r", PROMPT);

        assertThat(prefill.node.next())
                .isInstanceOfSatisfying(
                        PushDone.class, done -> assertThat(done.bytes()).isEqualTo(decode.node.tokenBytes() * PROMPT));
        assertThat(decode.node.next())
                .isInstanceOfSatisfying(
                        FetchDone.class, done -> assertThat(done.bytes()).isEqualTo(decode.node.tokenBytes() * PROMPT));
        decode.node.assertHolds(there, 0, 5);
        assertThat(decode.handoff().nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void shouldPushChunkByChunkAndLayerByLayer() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        int[] there = decode.blocks();
        prefill.push("r", decode.await("r", there, 0));
        for (int chunkEnd : List.of(20, 33, 64, PROMPT)) {
            for (int layer = 0; layer < KvFixtures.LAYERS; layer++) {
                KvFixtures.write(prefill.node.pools.getFirst(), HERE, 0, chunkEnd, 5);
                prefill.stored("r", 0, layer, chunkEnd);
            }
        }
        assertThat(prefill.node.next()).isInstanceOf(PushDone.class);
        assertThat(decode.node.next()).isInstanceOf(FetchDone.class);
        decode.node.assertHolds(there, 0, 5);
    }

    @Test
    void shouldLeaveOutWhatTheDecodeNodeHasCached() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        HandoffTicket target = decode.await("r", HERE, 32);
        assertThat(target.blockIds()).as("cached blocks are not lent").hasSize(3);
        prefill.write(5);
        prefill.push("r", target);
        prefill.computeAll("r", PROMPT);
        assertThat(prefill.node.next())
                .isInstanceOfSatisfying(
                        PushDone.class,
                        done -> assertThat(done.bytes()).isEqualTo(decode.node.tokenBytes() * (PROMPT - 32)));
        assertThat(decode.node.next()).isInstanceOf(FetchDone.class);
        decode.node.assertHolds(HERE, 32, 5);
    }

    @Test
    void shouldNotSayDoneBeforeTheLastLayerOfTheLastRankIsThere() {
        Replica prefill = prefill(2);
        Replica decode = decode(1, 16);
        prefill.push("r", decode.await("r", HERE, 0));
        prefill.write(5);
        for (int layer = 0; layer < KvFixtures.LAYERS; layer++) {
            prefill.stored("r", 0, layer, PROMPT);
        }
        for (int layer = 0; layer < KvFixtures.LAYERS - 1; layer++) {
            prefill.stored("r", 1, layer, PROMPT);
        }
        prefill.stored("r", 1, KvFixtures.LAYERS - 1, PROMPT - 1);
        prefill.settle();
        assertThat(decode.handoff().poll(0)).isEmpty();
        prefill.stored("r", 1, KvFixtures.LAYERS - 1, PROMPT);
        assertThat(decode.node.next()).isInstanceOf(FetchDone.class);
        decode.node.assertHolds(HERE, 0, 5);
    }

    @Test
    void shouldTellTheDecodeNodeAtOnceWhenThePrefillNodeGivesUp() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        prefill.push("r", decode.await("r", HERE, 0));
        prefill.stored("r", 0, 0, 20);
        prefill.handoff().cancel("r", "its client has gone");
        prefill.assertPushFailed(Kind.CANCELLED, "its client has gone");
        decode.assertFetchFailed(Kind.PEER_GONE, "its client has gone");
    }

    @Test
    void shouldTellTheDecodeNodeOfAPushThatNeverBegins() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        prefill.handoff().decline("r", new HandoffRole.Push(decode.await("r", HERE, 0)), "the queue is full");
        decode.assertFetchFailed(Kind.PEER_GONE, "the queue is full");
    }

    @Test
    void shouldRefuseLateWritesAfterTheDeadline() throws Exception {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        HandoffTicket target = decode.await("r", HERE, 0);
        assertThat(decode.handoff().poll(HandoffReplica.LEASE.toNanos()))
                .singleElement()
                .isInstanceOfSatisfying(
                        FetchFailed.class,
                        failed -> assertThat(failed.cause().kind()).isEqualTo(Kind.TIMED_OUT));
        prefill.write(5);
        prefill.push("r", target);
        prefill.computeAll("r", PROMPT);
        prefill.assertPushFailed(Kind.REJECTED, "peer refuses the address");
        assertThat(KvFixtures.snapshot(decode.node.pools.getFirst())).containsOnly(0);
    }

    /** The same request id comes again while the first push is still on its way: its word is not for the second. */
    @Test
    void shouldNotTakeTheWordOfAnEarlierPushForALaterOne() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        HandoffTicket earlier = decode.await("r", HERE, 0);
        decode.handoff().cancel("r", "no more");
        decode.assertFetchFailed(Kind.CANCELLED, "cancelled");
        HandoffTicket later = decode.await("r", HERE, 0);
        prefill.handoff().decline("r", new HandoffRole.Push(earlier), "the first one failed");
        prefill.tell(SideChannelCodec.encodeDoneSending("r", earlier.blockIds()[0], List.of()), earlier, false);
        assertThat(decode.handoff().poll(0)).isEmpty();
        prefill.write(5);
        prefill.push("r", later);
        prefill.computeAll("r", PROMPT);
        assertThat(decode.node.next()).isInstanceOf(FetchDone.class);
        decode.node.assertHolds(HERE, 0, 5);
    }

    /** v0.11.0rc1's prefill ranks write another layout and say done without naming a lease. */
    @Test
    void shouldNotDecodeFromWhatAForeignPrefillNodeWrote() {
        Replica decode = decode(1, 16);
        HandoffTicket target = decode.await("r", HERE, 0);
        byte[] plain = java.util.HexFormat.of().parseHex("92c410646f6e655f73656e64696e675f6d7367a172");
        prefill(1).tell(plain, target, true);
        decode.assertFetchFailed(Kind.REJECTED, "does not tell how it lays KV out");
        assertThat(decode.handoff().counters().value(HandoffCounter.PUSHES_FOREIGN))
                .isEqualTo(1);
    }

    @Test
    void shouldFailAtOnceWhenTheMetaserverRefuses() {
        Replica decode = decode(1, 16);
        decode.invite("r", HERE, 0);
        decode.invited().answered.accept(Optional.of("status 502: prefill failed"));
        decode.assertFetchFailed(Kind.PEER_GONE, METASERVER + ": status 502: prefill failed");
        assertThat(decode.handoff().counters().value(HandoffCounter.INVITATIONS_FAILED))
                .isEqualTo(1);
    }

    @Test
    void shouldGoOnWaitingWhenTheMetaserverIsContent() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        decode.invite("r", HERE, 0);
        Invited invited = decode.invited();
        invited.answered.accept(Optional.empty());
        assertThat(decode.handoff().poll(0)).isEmpty();
        prefill.write(5);
        prefill.push("r", invited.target());
        prefill.computeAll("r", PROMPT);
        assertThat(decode.node.next()).isInstanceOf(FetchDone.class);
    }

    @Test
    void shouldLetNobodyWriteAfterACancel() {
        Replica decode = decode(1, 16);
        HandoffTicket target = decode.await("r", HERE, 0);
        PeerMetadata told = decode.metadata();
        try (var writer = TransferEngine.start(TransferConfig.of(HOST));
                var arena = Arena.ofShared()) {
            long address = told.planeAddresses().getFirst()
                    + target.blockIds()[0]
                            * decode.node.pools.getFirst().layout().blockBytes(0);
            var spans = new SpanBatch(arena.allocate(64), new long[] {0, address, 64});
            String peer = HOST + ":" + told.transferPort();
            assertThat(writer.write(peer, spans, HandoffReplica.FETCH)
                            .done()
                            .join()
                            .bytes())
                    .isEqualTo(64);
            decode.handoff().cancel("r", "no more");
            decode.assertFetchFailed(Kind.CANCELLED, "cancelled");
            Transfer late = writer.write(peer, spans, HandoffReplica.FETCH);
            assertThatThrownBy(() -> late.done().join())
                    .isInstanceOf(CompletionException.class)
                    .hasMessageContaining("peer refuses the address");
        }
    }

    @Test
    void shouldCostOnlyThatRequestWhenTheDecodeNodeDiesInTheMiddle() throws Exception {
        Replica prefill = prefill(1);
        Replica dying = decode(1, 16);
        Replica other = decode(1, 16);
        prefill.write(5);
        prefill.push("lost", dying.await("lost", HERE, 0));
        prefill.stored("lost", 0, 0, PROMPT);
        prefill.settle();
        dying.node.close();
        opened.remove(dying.node);
        prefill.stored("lost", 0, 1, PROMPT);
        prefill.push("r", other.await("r", HERE, 0));
        prefill.computeAll("r", PROMPT);
        var events = List.of(prefill.node.next(), prefill.node.next());
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .isInstanceOfSatisfying(
                                PushDone.class,
                                done -> assertThat(done.requestId()).isEqualTo("r")));
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .isInstanceOfSatisfying(
                                PushFailed.class,
                                failed -> assertThat(failed.requestId()).isEqualTo("lost")));
        other.node.assertHolds(HERE, 0, 5);
    }

    @Test
    void shouldRefuseATargetThatDoesNotFitThePrompt() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        HandoffTicket target = decode.await("r", HERE, 0);
        prefill.handoff().push(TestConnector.prompt("r", 40, 0, 7, 2, 3), target);
        prefill.assertPushFailed(Kind.REJECTED, "names 5 blocks of 16 tokens, but a prompt of 40 tokens has 3");
        decode.assertFetchFailed(Kind.PEER_GONE, "names 5 blocks");
    }

    @Test
    void shouldRefuseItsOwnEngineId() {
        Replica prefill = replica("1", noMessenger(), Role.PRODUCER, KvFixtures.heads(1, 16));
        Replica decode = decode(1, 16);
        prefill.push("r", decode.await("r", HERE, 0));
        prefill.assertPushFailed(Kind.REJECTED, "each node needs its own");
        decode.assertFetchFailed(Kind.PEER_GONE, "each node needs its own");
    }

    @Test
    void shouldRefusePartsOfTheOtherConnectorAndRole() {
        Replica decode = decode(1, 16);
        HandoffTicket target = decode.await("r", HERE, 0);
        assertThatThrownBy(() -> RoleAdmission.require(Optional.of(config("0", Role.PRODUCER)), new HandoffRole.Lend()))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("are those of MooncakeConnector, but this node runs MooncakeLayerwiseConnector");
        assertThatThrownBy(() ->
                        RoleAdmission.require(Optional.of(config("1", Role.CONSUMER)), new HandoffRole.Push(target)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("kv_role is CONSUMER");
        assertThatThrownBy(() -> RoleAdmission.require(
                        Optional.of(config("0", Role.PRODUCER)), new HandoffRole.Receive(METASERVER)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("kv_role is PRODUCER");
        assertThatThrownBy(() -> decode.await("r", HERE, 0))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("in use");
    }

    @Test
    void shouldSendInLongerPiecesWhatTheWireIsTooSlowFor() {
        Replica prefill = prefill(1);
        Replica decode = decode(1, 16);
        prefill.write(5);
        HandoffTicket target = decode.await("r", HERE, 0);
        for (int token = 1; token <= PROMPT; token++) {
            for (int layer = 0; layer < KvFixtures.LAYERS; layer++) {
                prefill.stored("r", 0, layer, token); // before the push has begun: nobody listens yet
            }
        }
        prefill.push("r", target);
        for (int token = 1; token <= PROMPT; token++) {
            for (int layer = 0; layer < KvFixtures.LAYERS; layer++) {
                prefill.stored("r", 0, layer, token);
            }
        }
        assertThat(decode.node.next()).isInstanceOf(FetchDone.class);
        decode.node.assertHolds(HERE, 0, 5);
    }

    private static Invitation.Messenger noMessenger() {
        return (invitation, answered) -> {
            answered.accept(Optional.of("nobody is invited"));
            return () -> {};
        };
    }

    private Replica prefill(int tpSize) {
        return prefill(KvFixtures.heads(tpSize, 16));
    }

    private Replica prefill(List<KvLayout> layouts) {
        return replica("0", noMessenger(), Role.PRODUCER, layouts);
    }

    private Replica decode(int tpSize, int blockSize) {
        return decode(KvFixtures.heads(tpSize, blockSize));
    }

    private Replica decode(List<KvLayout> layouts) {
        var invitations = new LinkedBlockingQueue<Invited>();
        Replica replica = replica(
                "1",
                (invitation, answered) -> {
                    invitations.add(new Invited(invitation, answered));
                    return () -> {};
                },
                Role.CONSUMER,
                layouts);
        return new Replica(replica.node, invitations);
    }

    private Replica replica(String engineId, Invitation.Messenger messenger, Role role, List<KvLayout> layouts) {
        var runtime = HandoffRuntime.start(HOST, HOST, messenger, 0);
        opened.push(runtime);
        HandoffConfig config = config(engineId, role);
        var node = new HandoffReplica(config, runtime, layouts);
        opened.push(node);
        return new Replica(node, new LinkedBlockingQueue<>());
    }

    private static HandoffConfig config(String engineId, Role role) {
        return HandoffReplica.config(engineId, 0, role, Connector.LAYERWISE, new Peers.FromTicket(1));
    }

    /** What a metaserver got. */
    private record Invited(Invitation invitation, Consumer<Optional<String>> answered) {
        /** What a prefill node reads from the gateway's request. */
        HandoffTicket target() {
            assertThat(invitation.metaserver()).isEqualTo(METASERVER);
            HandoffRole role = HandoffParams.parse(new LinkedHashMap<>(invitation.params()));
            return ((HandoffRole.Push) role).target();
        }
    }

    /** A replica of either side, and what a test does with it. */
    private record Replica(HandoffReplica node, BlockingQueue<Invited> invitations) {
        TestConnector handoff() {
            return node.handoff;
        }

        int[] blocks() {
            return node.blocks();
        }

        /** Invites, and gives what the prefill node will be told. */
        HandoffTicket await(String requestId, int[] blocks, int cachedTokens) {
            invite(requestId, blocks, cachedTokens);
            return invited().target();
        }

        void invite(String requestId, int[] blocks, int cachedTokens) {
            handoff().receive(TestConnector.prompt(requestId, PROMPT, cachedTokens, blocks), 0);
        }

        Invited invited() {
            return java.util.Objects.requireNonNull(invitations.poll(), "an invitation");
        }

        void push(String requestId, HandoffTicket target) {
            handoff().push(TestConnector.prompt(requestId, PROMPT, 0, HERE), target);
        }

        void stored(String requestId, int rank, int layer, int tokens) {
            handoff().stored(new PushProgress(requestId, tokens), rank, layer);
        }

        void computeAll(String requestId, int tokens) {
            for (int layer = 0; layer < KvFixtures.LAYERS; layer++) {
                for (int rank = 0; rank < node.pools.size(); rank++) {
                    stored(requestId, rank, layer, tokens);
                }
            }
        }

        /** Returns when the poller has seen what was posted before. */
        void settle() {
            var seen = new CompletableFuture<Boolean>();
            node.runtime.channel().execute(() -> seen.complete(true));
            seen.orTimeout(10, TimeUnit.SECONDS).join();
        }

        /** Sends a message to the side channel that a ticket names. */
        void tell(byte[] message, HandoffTicket target, boolean isAwaited) {
            assertThat(SideChannelCodec.isAcknowledgement(node.ask(target.host(), target.port(), message)))
                    .isEqualTo(isAwaited);
        }

        PeerMetadata metadata() {
            return SideChannelCodec.decodeMetadata(
                    node.ask(HOST, handoff().sideChannelPort(), SideChannelCodec.encodeGetMetadata()));
        }

        void write(long seed) {
            node.write(HERE, seed);
        }

        void assertPushFailed(Kind kind, String message) {
            assertThat(node.next()).isInstanceOfSatisfying(PushFailed.class, failed -> {
                assertThat(failed.cause()).hasMessageContaining(message);
                assertThat(failed.cause().kind()).isEqualTo(kind);
            });
        }

        void assertFetchFailed(Kind kind, String message) {
            assertThat(node.next()).isInstanceOfSatisfying(FetchFailed.class, failed -> {
                assertThat(failed.cause()).hasMessageContaining(message);
                assertThat(failed.cause().kind()).isEqualTo(kind);
            });
        }
    }
}
