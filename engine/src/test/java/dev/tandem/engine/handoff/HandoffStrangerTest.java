package dev.tandem.engine.handoff;

import static dev.tandem.engine.handoff.HandoffReplica.HOST;
import static dev.tandem.engine.handoff.HandoffReplica.PROMPT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.transfer.TransferCounter;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.RequestHeader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A stranger who can reach the ports and had a ticket once, or has somebody's: what he may read, write and end. */
@Timeout(120)
class HandoffStrangerTest {
    private static final String OTHER_HOST = "127.0.0.77"; // of this machine, too
    private static final int[] BLOCKS = {7, 2, 3, 9, 4};
    private static final int[] OTHER_BLOCKS = {1, 5, 6, 8, 10};
    private static final List<KvLayout> LAYOUT = KvFixtures.heads(1, 16);
    private static final long BLOCK_BYTES = LAYOUT.getFirst().blockBytes(0);

    private final ArrayDeque<AutoCloseable> opened = new ArrayDeque<>();
    private final Queue<HandoffTicket> invited = new ConcurrentLinkedQueue<>();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    @Test
    void shouldNotLetOneTicketTellWhereToWriteIntoAnother() throws IOException {
        HandoffReplica prefill = replica("0", Role.PRODUCER, Connector.LAYERWISE);
        HandoffReplica decode = replica("1", Role.CONSUMER, Connector.LAYERWISE);
        HandoffTicket mine = await(decode, "mine", OTHER_BLOCKS);
        HandoffTicket victims = await(decode, "victim", BLOCKS);
        prefill.write(BLOCKS, 5);
        push(prefill, "victim", victims);
        computeLayers(prefill, "victim", 0, 1);
        awaitWritten(decode, 1);

        PeerMetadata told = metadata(decode);
        for (long id : near(mine)) {
            assertThat(write(told, id, HOST)).as("id %d", id).isFalse();
        }

        computeLayers(prefill, "victim", 1, KvFixtures.LAYERS);
        assertThat(prefill.next()).isInstanceOf(PushDone.class);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        decode.assertHolds(BLOCKS, 0, 5);
    }

    @Test
    void shouldNotLetOneTicketTellWhereToReadAnother() throws IOException {
        HandoffReplica prefill = replica("0", Role.PRODUCER, Connector.PULL);
        prefill.write(BLOCKS, 5);
        HandoffTicket mine = prefill.handoff.lend("mine", OTHER_BLOCKS, 1, 0);
        prefill.handoff.lend("victim", BLOCKS, 1, 0);
        PeerMetadata told = metadata(prefill);
        assertThat(read(told, mine.blockIds()[0], HOST)).as("what he was given").isTrue();
        for (long id : near(mine)) {
            assertThat(read(told, id, HOST)).as("id %d", id).isFalse();
        }
    }

    /** The ids behind and before a lease, where the next one used to be. */
    private static List<Long> near(HandoffTicket mine) {
        long first = mine.blockIds()[0];
        long after = first + mine.blockIds().length;
        return List.of(after, after + 1, after + 2, after + 5, first - 1, first - 2, first - 6);
    }

    @Test
    void shouldRefuseASecondHostWhileTheFirstReadsOn() throws IOException {
        HandoffReplica prefill = replica("0", Role.PRODUCER, Connector.PULL);
        HandoffReplica decode = replica("1", Role.CONSUMER, Connector.PULL);
        prefill.write(BLOCKS, 5);
        HandoffTicket ticket = prefill.handoff.lend("r", BLOCKS, 1, 0);
        PeerMetadata told = metadata(prefill);
        assertThat(read(told, ticket.blockIds()[0], HOST)).isTrue();

        assertThat(read(told, ticket.blockIds()[0], OTHER_HOST))
                .as("another host")
                .isFalse();

        decode.handoff.fetch("r", ticket, PROMPT, 0, OTHER_BLOCKS, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        decode.assertHolds(OTHER_BLOCKS, 0, 5);
        assertThat(prefill.handoff.counters().value(HandoffCounter.PARTIES_REFUSED))
                .isEqualTo(1);
        assertThat(prefill.runtime.transfers().counters().value(TransferCounter.GUESSED_REQUESTS))
                .as("he knows the address")
                .isZero();
    }

    @Test
    void shouldRefuseAHostThatGuessesAndServeOthers() throws IOException {
        HandoffReplica prefill = replica("0", Role.PRODUCER, Connector.PULL);
        prefill.write(BLOCKS, 5);
        HandoffTicket ticket = prefill.handoff.lend("r", BLOCKS, 1, 0);
        PeerMetadata told = metadata(prefill);
        for (int guess = 0; guess < 70; guess++) {
            assertThat(read(told, guess, OTHER_HOST)).isFalse();
        }
        assertThat(read(told, ticket.blockIds()[0], OTHER_HOST))
                .as("even a right one")
                .isFalse();
        assertThat(read(told, ticket.blockIds()[0], HOST)).isTrue();
        assertThat(prefill.runtime.transfers().counters().value(TransferCounter.GUESSED_REQUESTS))
                .isEqualTo(64);
    }

    /** Whoever has the ticket, on the prefill node's host, can write into its lease: what he wrote is no answer. */
    @Test
    void shouldNotDecodeFromWhatSomebodyElseWroteInBetween() throws IOException {
        HandoffReplica prefill = replica("0", Role.PRODUCER, Connector.LAYERWISE);
        HandoffReplica decode = replica("1", Role.CONSUMER, Connector.LAYERWISE);
        HandoffTicket target = await(decode, "r", BLOCKS);
        prefill.write(BLOCKS, 5);
        push(prefill, "r", target);
        computeLayers(prefill, "r", 0, 1);
        awaitWritten(decode, 1);

        assertThat(write(metadata(decode), target.blockIds()[1], HOST)).isTrue();

        computeLayers(prefill, "r", 1, KvFixtures.LAYERS);
        assertThat(decode.next()).isInstanceOfSatisfying(FetchFailed.class, failed -> {
            assertThat(failed.cause().kind()).isEqualTo(Kind.CORRUPT);
            assertThat(failed.cause()).hasMessageContaining("is not what the prefill node wrote");
        });
        assertThat(decode.handoff.counters().value(HandoffCounter.PUSHES_CORRUPT))
                .isEqualTo(1);
    }

    /** A prefill node of an older version names the lease and no sums. */
    @Test
    void shouldTakeThePushOfAnOlderPrefillNode() {
        HandoffReplica prefill = replica("0", Role.PRODUCER, Connector.LAYERWISE);
        HandoffReplica decode = replica("1", Role.CONSUMER, Connector.LAYERWISE);
        HandoffTicket target = await(decode, "r", BLOCKS);
        byte[] done = SideChannelCodec.encodeDoneSending("r", target.blockIds()[0], List.of());
        assertThat(SideChannelCodec.isAcknowledgement(prefill.ask(HOST, target.port(), done)))
                .isTrue();
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        assertThat(decode.handoff.counters().value(HandoffCounter.PUSHES_UNSUMMED))
                .isEqualTo(1);
    }

    private HandoffReplica replica(String engineId, Role role, Connector connector) {
        var runtime = HandoffRuntime.start(
                HOST,
                HOST,
                (invitation, answered) -> {
                    if (HandoffParams.parse(new LinkedHashMap<>(invitation.params()))
                            instanceof HandoffRole.Push push) {
                        invited.add(push.target());
                    }
                    answered.accept(Optional.empty());
                    return () -> {};
                },
                0);
        opened.push(runtime);
        var config = HandoffReplica.config(engineId, 0, role, connector, new Peers.FromTicket(1));
        var replica = new HandoffReplica(config, runtime, LAYOUT);
        opened.push(replica);
        return replica;
    }

    private HandoffTicket await(HandoffReplica decode, String requestId, int[] blocks) {
        decode.handoff.receive(TestConnector.prompt(requestId, PROMPT, 0, blocks), 0);
        return invited.remove();
    }

    private static void push(HandoffReplica prefill, String requestId, HandoffTicket target) {
        prefill.handoff.push(TestConnector.prompt(requestId, PROMPT, 0, BLOCKS), target);
    }

    private static void computeLayers(HandoffReplica prefill, String requestId, int from, int to) {
        for (int layer = from; layer < to; layer++) {
            prefill.handoff.stored(new PushProgress(requestId, PROMPT), 0, layer);
        }
    }

    /** Returns when so many layers lie in the decode node's memory. */
    private static void awaitWritten(HandoffReplica decode, int layers) {
        long bytes = decode.tokenBytes() * PROMPT * layers / KvFixtures.LAYERS;
        while (decode.runtime.transfers().counters().value(TransferCounter.SERVED_WRITE_BYTES) < bytes) {
            Thread.onSpinWait();
        }
    }

    private static PeerMetadata metadata(HandoffReplica replica) {
        return SideChannelCodec.decodeMetadata(
                replica.ask(HOST, replica.handoff.sideChannelPort(), SideChannelCodec.encodeGetMetadata()));
    }

    private boolean read(PeerMetadata told, long blockId, String from) throws IOException {
        return isGranted(told, blockId, from, Opcode.READ_V2);
    }

    private boolean write(PeerMetadata told, long blockId, String from) throws IOException {
        return isGranted(told, blockId, from, Opcode.WRITE_V2);
    }

    /** Asks for the first eight bytes of a block of the first plane, as Mooncake does, from an address of this machine. */
    private boolean isGranted(PeerMetadata told, long blockId, String from, Opcode opcode) throws IOException {
        String segment = HOST + ":" + told.transferPort();
        var engine = (TransferEngine) ((HandoffReplica) opened.peek()).runtime.transfers();
        int port = engine.describe(segment).tcp().dataPort();
        try (var socket = new Socket()) {
            socket.bind(new InetSocketAddress(InetAddress.ofLiteral(from), 0));
            socket.connect(new InetSocketAddress(HOST, port));
            ByteBuffer request = ByteBuffer.allocate(RequestHeader.BYTES + (opcode.isWrite() ? 8 : 0));
            RequestHeader.encode(request, 0, 8, told.planeAddresses().getFirst() + blockId * BLOCK_BYTES, opcode);
            socket.getOutputStream().write(request.array());
            byte[] status = socket.getInputStream().readNBytes(8);
            return status.length == 8 && status[0] == 0;
        } catch (IOException reset) {
            return false;
        }
    }
}
