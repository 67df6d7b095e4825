package dev.tandem.engine.handoff.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.TestConnector;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ReadPlanTest {
    private static final int PROMPT = 50;
    private static final int LAYERS = 2;
    private static final int HEAD_DIM = 4;
    private static final List<Integer> TP_SIZES = List.of(1, 2, 4, 8, 16);

    /** Every pair of tensor-parallel sizes and some of block sizes: each local rank gets the bytes of its heads, and nothing else. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 8, 16})
    void shouldBringEachRankItsHeadsForEveryPairOfSizes(int modelHeads) {
        for (int prefillSize : TP_SIZES) {
            for (int decodeSize : TP_SIZES) {
                for (int[] blocks : List.of(new int[] {16, 16}, new int[] {8, 32}, new int[] {12, 5})) {
                    check(modelHeads, prefillSize, decodeSize, blocks);
                }
            }
        }
    }

    private static void check(int modelHeads, int prefillSize, int decodeSize, int[] blockSizes) {
        try (var prefill = Engine.of(prefillSize, blockSizes[0], modelHeads, 0);
                var decode = Engine.of(decodeSize, blockSizes[1], modelHeads, 7)) {
            check(prefill, decode, blockSizes[1]);
        }
    }

    private static void check(Engine prefill, Engine decode, int cached) {
        prefill.pools.forEach(pool -> KvFixtures.write(pool, prefill.blocks, 0, PROMPT, 3));
        for (ReadPlan.Read read : reads("r", prefill, decode, cached, prefill.metadata())) {
            prefill.copy(read.spans());
        }
        for (int rank = 0; rank < decode.pools.size(); rank++) {
            assertThat(KvFixtures.snapshot(decode.pools.get(rank)))
                    .as("rank %d of %d from %d ranks", rank, decode.pools.size(), prefill.pools.size())
                    .isEqualTo(expected(decode, rank, cached));
        }
    }

    /** Latents, rotary keys and index keys, which every rank holds whole: each of P's ranks gives as much as any other. */
    @ParameterizedTest
    @CsvSource({"16, 16, 16", "16, 4, 4", "4, 16, 4", "16, 1, 1"})
    void shouldSpreadCachesWithoutHeadsOverThePeersRanks(int prefillSize, int decodeSize, int givingRanks) {
        try (var prefill = Engine.of(KvFixtures.latents(prefillSize, 16), 0);
                var decode = Engine.of(KvFixtures.latents(decodeSize, 8), 7)) {
            check(prefill, decode, 8);
            var bytes = new TreeMap<Integer, Long>();
            for (ReadPlan.Read read : reads("r", prefill, decode, 8, prefill.metadata())) {
                prefill.bytesByRank(read.spans()).forEach((rank, some) -> bytes.merge(rank, some, Long::sum));
            }
            long each = (PROMPT - 8) * decode.pools.getFirst().layout().tokenBytes() * decodeSize / givingRanks;
            assertThat(bytes).hasSize(givingRanks);
            assertThat(bytes.values()).containsOnly(each);
        }
    }

    @Test
    void shouldReadReplicatedHeadsOnceFromOneRank() {
        try (var prefill = Engine.of(8, 16, 1, 0);
                var decode = Engine.of(1, 16, 1, 0)) {
            List<ReadPlan.Read> reads = reads("r", prefill, decode, 0, prefill.metadata());
            assertThat(reads).hasSize(1);
            assertThat(reads.getFirst().spans().totalBytes())
                    .isEqualTo(PROMPT * decode.pools.getFirst().layout().tokenBytes());
        }
    }

    @Test
    void shouldSpreadRequestsOverTheReplicas() {
        try (var prefill = Engine.of(8, 16, 1, 0);
                var decode = Engine.of(2, 16, 1, 0)) {
            var used = new TreeSet<Integer>();
            for (int request = 0; request < 16; request++) {
                var ofRequest = new TreeSet<Integer>();
                for (ReadPlan.Read read : reads("cmpl-" + request, prefill, decode, 0, prefill.metadata())) {
                    ofRequest.addAll(prefill.bytesByRank(read.spans()).keySet());
                }
                assertThat(ofRequest).as("the two local ranks read from two").hasSize(2);
                used.addAll(ofRequest);
            }
            assertThat(used).hasSize(8);
        }
    }

    @Test
    void shouldReadFromRanksOfOneProcessInOneTransfer() {
        try (var prefill = Engine.of(8, 16, 8, 0);
                var decode = Engine.of(2, 16, 8, 0)) {
            assertThat(reads("r", prefill, decode, 0, prefill.metadata())).hasSize(2);
        }
    }

    @Test
    void shouldRefuseAnEngineWhoseRanksDoNotHoldAllHeads() {
        try (var prefill = Engine.of(4, 16, 4, 0);
                var decode = Engine.of(1, 16, 4, 0)) {
            assertThatThrownBy(() ->
                            reads("r", prefill, decode, 0, prefill.metadata().subList(0, 3)))
                    .isInstanceOf(TransferException.class)
                    .hasMessageContaining("no peer holds head 3 of plane k.0");
        }
    }

    private static List<ReadPlan.Read> reads(
            String requestId, Engine prefill, Engine decode, int cached, List<PeerMetadata> peers) {
        long[] blockIds = Arrays.stream(prefill.blocks).asLongStream().toArray();
        var ticket = new HandoffTicket("0", "127.0.0.1", 30_000, blockIds, 1, Map.of());
        return ReadPlan.of(ticket, TestConnector.prompt(requestId, PROMPT, cached, decode.blocks), peers, decode.pools);
    }

    private static byte[] expected(Engine decode, int rank, int cached) {
        KvPool like = decode.pools.get(rank);
        try (var pool = new KvPool(like.layout(), like.blockCount())) {
            KvFixtures.write(pool, decode.blocks, cached, PROMPT, 3);
            return KvFixtures.snapshot(pool);
        }
    }

    /** The pools of all ranks of an engine, whose planes lie at synthetic addresses. */
    private record Engine(List<KvPool> pools, int[] blocks) implements AutoCloseable {
        private static final int RANK_SHIFT = 56;
        private static final int PLANE_SHIFT = 48;

        static Engine of(int tpSize, int blockSize, int modelHeads, int seed) {
            var layouts = new ArrayList<KvLayout>();
            for (int rank = 0; rank < tpSize; rank++) {
                Shard heads = new Rank(rank, tpSize, 0, 1).shardOfKvHeads(modelHeads);
                layouts.add(KvFixtures.rank(blockSize, LAYERS, HEAD_DIM, heads.from(), heads.size(), modelHeads));
            }
            return of(layouts, seed);
        }

        static Engine of(List<KvLayout> layouts, int seed) {
            var pools = new ArrayList<KvPool>();
            layouts.forEach(layout -> pools.add(new KvPool(layout, layout.blocksFor(PROMPT) + 2)));
            int count = pools.getFirst().blockCount();
            return new Engine(pools, KvFixtures.scattered(count - 2, count, new SplittableRandom(seed)));
        }

        List<PeerMetadata> metadata() {
            var metadata = new ArrayList<PeerMetadata>();
            for (int index = 0; index < pools.size(); index++) {
                int rank = index;
                var layout = pools.get(rank).layout();
                metadata.add(new PeerMetadata(
                        "0",
                        15_000,
                        IntStream.range(0, layout.planes().size())
                                .mapToObj(plane -> ((rank + 1L) << RANK_SHIFT) + ((plane + 1L) << PLANE_SHIFT))
                                .toList(),
                        1 << 30,
                        Optional.of(new PeerMetadata.Details("life", rank, pools.size(), layout))));
            }
            return metadata;
        }

        Map<Integer, Long> bytesByRank(SpanBatch spans) {
            var bytes = new TreeMap<Integer, Long>();
            for (int span = 0; span < spans.spans(); span++) {
                bytes.merge((int) (spans.remoteAddress(span) >>> RANK_SHIFT) - 1, spans.bytes(span), Long::sum);
            }
            return bytes;
        }

        void copy(SpanBatch spans) {
            for (int span = 0; span < spans.spans(); span++) {
                long address = spans.remoteAddress(span);
                KvPool pool = pools.get((int) (address >>> RANK_SHIFT) - 1);
                int plane = (int) (address >>> PLANE_SHIFT & 0xff) - 1;
                long offset = address & (1L << PLANE_SHIFT) - 1;
                MemorySegment.copy(
                        pool.plane(plane).data(), offset, spans.local(), spans.localOffset(span), spans.bytes(span));
            }
        }

        @Override
        public void close() {
            pools.forEach(KvPool::close);
        }
    }
}
