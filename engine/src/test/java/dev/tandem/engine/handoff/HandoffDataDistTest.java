package dev.tandem.engine.handoff;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.sidechannel.LlmDataDistCodec;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.handoff.sidechannel.ZmtpSideChannel;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import dev.tandem.transfer.TransferException.Kind;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Handoff by LLMDataDistCMgrConnector's rules, with all sockets real; the test plays the engine loops. */
@Timeout(120)
class HandoffDataDistTest {
    private static final String PREFILL = "127.0.22.11";
    private static final String DECODE = "127.0.22.12";
    private static final int HEADS = 4;
    private static final int PROMPT = 75;
    private static final int[] LENT = {7, 2, 3, 9, 4};

    private final ArrayDeque<AutoCloseable> opened = new ArrayDeque<>();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    /** Equal engine ids, as the guide has them. */
    @ParameterizedTest
    @CsvSource({"1, 1", "2, 1", "1, 2", "16, 16"})
    void shouldBringTheBytesBetweenNodesOfOneTable(int prefillSize, int decodeSize) {
        RankTable table = RankTables.of(PREFILL, prefillSize, DECODE, decodeSize);
        Replica prefill = prefill(table);
        Replica decode = decode(table);
        prefill.write(LENT, 5);
        HandoffTicket ticket = overTheWire(prefill.handoff.lend("r", LENT, 42, 0));
        decode.handoff.fetch("r", ticket, PROMPT, 0, LENT, 0);
        assertThat(decode.next()).isInstanceOf(FetchDone.class);
        decode.assertHolds(LENT, 5);
        assertThat(prefill.next())
                .isInstanceOfSatisfying(
                        LeaseEnded.class, ended -> assertThat(ended.reason()).isEqualTo(Reason.RELEASED));
    }

    @Test
    void shouldWriteTheParametersThatVllmAscendWrites() {
        Replica prefill = prefill(RankTables.of(PREFILL, 2, DECODE, 1));
        Map<String, Object> params = prefill.handoff.lend("r", LENT, 42, 0).toParams();
        assertThat(params)
                .containsEntry("do_remote_prefill", true)
                .containsEntry("do_remote_decode", false)
                .containsEntry("remote_engine_id", "0")
                .containsEntry("remote_host", PREFILL)
                .containsEntry("remote_port", prefill.handoff.sideChannelPort())
                .containsEntry("remote_tp_size", "2")
                .containsKey("remote_block_ids")
                .doesNotContainKey("last_token_id");
    }

    @Test
    void shouldNotCallAPrefillNodeThatTheTableDoesNotName() {
        Replica prefill = prefill(RankTables.of(PREFILL, 1, DECODE, 1));
        Replica decode = decode(RankTables.of("127.0.22.13", 1, DECODE, 1));
        HandoffTicket ticket = overTheWire(prefill.handoff.lend("r", LENT, 42, 0));
        decode.handoff.fetch("r", ticket, PROMPT, 0, LENT, 0);
        assertRejected(
                decode, "remote_host " + PREFILL + " is not a server_id", "prefill_device_list", "names 127.0.22.13");
        assertThat(decode.runtime.counters().value(HandoffCounter.METADATA_ASKED))
                .isZero();
        decode.awaitCount(HandoffCounter.DONE_UNDELIVERED, 1); // told behind the event, on the side channel's thread
    }

    @Test
    void shouldCompareTheTicketsSizeWithTheTable() {
        RankTable table = RankTables.of(PREFILL, 2, DECODE, 1);
        Replica decode = decode(table);
        for (Object size : new Object[] {"3", 16}) {
            decode.handoff.fetch("r", ticket(Map.of(HandoffTicket.TP_SIZE, size)), PROMPT, 0, LENT, 0);
            assertRejected(decode, "remote_tp_size is " + size, PREFILL + " has 2 devices in the rank table");
        }
        decode.handoff.fetch("r", ticket(Map.of()), PROMPT, 0, LENT, 0);
        assertRejected(decode, "the ticket says no remote_tp_size");
    }

    @Test
    void shouldRefuseAPrefillNodeWithAnotherTable() {
        RankTable others = RankTables.of(PREFILL, 2, DECODE, 1);
        Replica prefill = prefill(new RankTable(others.prefill().subList(0, 1), List.of(cluster(others, 2))));
        Replica decode = decode(others);
        HandoffTicket ticket = overTheWire(prefill.handoff.lend("r", LENT, 42, 0));
        decode.handoff.fetch("r", ticket, PROMPT, 0, LENT, 0);
        assertRejected(decode, "does not take device 3 of " + DECODE, "do both nodes read the same file?");
    }

    /** The decode node's device of another table, under the cluster id that it has there. */
    private static Device cluster(RankTable table, int clusterId) {
        Device device = table.decode().getFirst();
        return new Device(device.serverId(), device.deviceId(), device.deviceIp(), device.superPod(), clusterId);
    }

    /** A P of vllm-ascend answers with the six fields of its agent. */
    @Test
    void shouldRefuseAForeignPrefillNodeAndSayWhyItCannotBeRead() {
        RankTable table = RankTables.of(PREFILL, 1, DECODE, 1);
        Replica decode = decode(table);
        byte[] question = LlmDataDistCodec.encodeQuestion(table.prefill().getFirst());
        byte[] foreign = java.util.Arrays.copyOfRange(question, 2, question.length); // without [ 0, … ]
        var channel = ZmtpSideChannel.start(HandoffLimits.standard(), new Counters<>(HandoffCounter.class));
        opened.push(channel);
        int port = channel.listen(
                PREFILL,
                0,
                1,
                (first, rank) -> (from, payload) -> java.util.Optional.of(payload[1] == 0 ? foreign : taken()));
        var ticket = new HandoffTicket(
                "0", PREFILL, port, new long[] {1, 2, 3, 4, 5}, -1, Map.of(HandoffTicket.TP_SIZE, "1"));
        decode.handoff.fetch("r", ticket, PROMPT, 0, LENT, 0);
        assertRejected(decode, "vllm-ascend, which moves KV over HCCL links", "this node has none");
    }

    private static byte[] taken() {
        return "receiving decode finished".getBytes(StandardCharsets.US_ASCII);
    }

    /** A foreign decode node is served: it introduces itself, and each of the prefill ranks is told of the end. */
    @Test
    void shouldReleaseWhenEachRankWasTold() throws Exception {
        RankTable table = RankTables.of(PREFILL, 2, DECODE, 4);
        Replica prefill = prefill(table);
        prefill.handoff.lend("r", LENT, 42, 0);
        byte[] finished = LlmDataDistCodec.encodeFinished("r");
        assertThat(prefill.ask(1, LlmDataDistCodec.encodeQuestion(table.decode().get(3))))
                .satisfies(answer -> assertThat(
                                LlmDataDistCodec.decodeAnswer(answer).device())
                        .isEqualTo(table.prefill().get(1)));
        assertThat(prefill.ask(1, finished)).isEqualTo(taken());
        assertThat(prefill.ask(1, finished)).as("repeated").isEqualTo(taken());
        assertThat(prefill.handoff.poll(0)).isEmpty();
        assertThat(prefill.ask(0, finished)).isEqualTo(taken());
        assertThat(prefill.next()).isInstanceOf(LeaseEnded.class);
    }

    @Test
    void shouldTakeADeviceOfTheOtherListForNobody() throws Exception {
        RankTable table = RankTables.of(PREFILL, 2, DECODE, 1);
        Replica prefill = prefill(table);
        assertThat(prefill.ask(
                        0, LlmDataDistCodec.encodeQuestion(table.prefill().get(1))))
                .isEqualTo(SideChannelCodec.refusal());
    }

    @Test
    void shouldKnowTwoRolesOnly() {
        RankTable table = RankTables.of(PREFILL, 1, DECODE, 1);
        Peers peers = RankTables.peers(table, Side.PREFILL);
        assertThatThrownBy(() -> HandoffReplica.config("0", 0, Role.BOTH, Connector.PULL, peers))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> HandoffReplica.config("0", 0, Role.PRODUCER, Connector.LAYERWISE, peers))
                .isInstanceOf(IllegalArgumentException.class);
    }

    private static HandoffTicket ticket(Map<String, Object> further) {
        return new HandoffTicket("0", PREFILL, 5557, new long[] {1, 2, 3, 4, 5}, -1, further);
    }

    private static void assertRejected(Replica decode, String... words) {
        assertThat(decode.next()).isInstanceOfSatisfying(FetchFailed.class, failed -> {
            assertThat(failed.cause().kind()).isEqualTo(Kind.REJECTED);
            assertThat(failed.cause().getMessage()).contains(words);
        });
    }

    private static HandoffTicket overTheWire(HandoffTicket ticket) {
        return HandoffTicket.fromParams(new LinkedHashMap<>(ticket.toParams()));
    }

    private Replica prefill(RankTable table) {
        return replica(PREFILL, Role.PRODUCER, RankTables.peers(table, Side.PREFILL));
    }

    private Replica decode(RankTable table) {
        return replica(DECODE, Role.CONSUMER, RankTables.peers(table, Side.DECODE));
    }

    private Replica replica(String host, Role role, Peers.FromRankTable peers) {
        var runtime = HandoffRuntime.start(host);
        opened.push(runtime);
        var replica = new Replica(HandoffReplica.config("0", 0, role, Connector.PULL, peers), runtime);
        opened.push(replica);
        return replica;
    }

    /** One engine: a pool for each of its devices, and the engine loop's waiting for events. */
    private static final class Replica implements AutoCloseable {
        final List<KvPool> pools = new ArrayList<>();
        final HandoffRuntime runtime;
        final TestConnector handoff;
        private final Semaphore wakes = new Semaphore(0);
        private final ArrayDeque<HandoffEvent> unread = new ArrayDeque<>();

        Replica(HandoffConfig config, HandoffRuntime runtime) {
            this.runtime = runtime;
            int tpSize = ((Peers.FromRankTable) config.peers()).own().size();
            for (int rank = 0; rank < tpSize; rank++) {
                Shard heads = new Rank(rank, tpSize, 0, 1).shardOfKvHeads(HEADS);
                pools.add(new KvPool(KvFixtures.rank(16, 3, 8, heads.from(), heads.to() - heads.from(), HEADS), 12));
            }
            this.handoff = TestConnector.start(config, pools, runtime, wakes::release);
        }

        /** Waits for a count that grows on another thread. */
        void awaitCount(HandoffCounter counter, long expected) {
            long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
            while (runtime.counters().value(counter) < expected) {
                assertThat(System.nanoTime()).as("waiting for %s", counter).isLessThan(deadlineNs);
                Thread.onSpinWait();
            }
            assertThat(runtime.counters().value(counter)).isEqualTo(expected);
        }

        void write(int[] blocks, long seed) {
            pools.forEach(pool -> KvFixtures.write(pool, blocks, 0, PROMPT, seed));
        }

        void assertHolds(int[] blocks, long seed) {
            for (KvPool pool : pools) {
                try (var expected = new KvPool(pool.layout(), pool.blockCount())) {
                    KvFixtures.write(expected, blocks, 0, PROMPT, seed);
                    assertThat(KvFixtures.snapshot(pool)).isEqualTo(KvFixtures.snapshot(expected));
                }
            }
        }

        /** Says something to one rank's port and waits for the answer. */
        byte[] ask(int rank, byte[] message) throws Exception {
            var answer = new CompletableFuture<byte[]>();
            String endpoint = SideChannel.endpoint(runtime.host(), Integer.toString(handoff.sideChannelPort() + rank));
            runtime.channel()
                    .execute(() -> runtime.channel()
                            .client()
                            .ask(endpoint, message, answer::complete, answer::completeExceptionally));
            return answer.get(10, TimeUnit.SECONDS);
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
