package dev.tandem.engine.handoff.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Region.Access;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.TransferException;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LeasedRegionTest {
    private static final AddressSpace SPACE = new AddressSpace(1L << 40, Duration.ofSeconds(55));
    private static final String HOST = "10.0.0.1";

    private final KvLayout layout = KvFixtures.layout(16, 2, 3, 8);
    private final KvPool pool = new KvPool(layout, 16);
    private final LeaseDirectory directory = new LeaseDirectory();
    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final List<BlockLease> quiet = new ArrayList<>();
    private final List<LeasedRegion> regions = LeasedRegion.over(pool, SPACE, 12_345, directory, counters, quiet::add);

    @AfterEach
    void close() {
        pool.close();
    }

    @Test
    void shouldLayPlanesOutApartAndInPositiveAddresses() {
        long end = 0;
        for (int plane = 0; plane < regions.size(); plane++) {
            LeasedRegion region = regions.get(plane);
            assertThat(region.address()).isGreaterThan(end).isPositive();
            assertThat(region.length()).isEqualTo(SPACE.idCount() * layout.blockBytes(plane));
            end = region.address() + region.length();
        }
        assertThat(end).isPositive();
    }

    @Test
    void shouldGiveThePhysicalBytesOfConsecutiveVirtualBlocksInOrder() {
        int[] blocks = {9, 3, 4, 5, 1};
        KvFixtures.write(pool, blocks, 0, 80, 7);
        lease("r", 100, blocks);
        for (int plane = 0; plane < regions.size(); plane++) {
            long blockBytes = layout.blockBytes(plane);
            byte[] whole = read(plane, 100 * blockBytes, 5 * blockBytes);
            var expected = new ByteArrayOutputStream();
            for (int block : blocks) {
                expected.writeBytes(pool.plane(plane)
                        .data()
                        .asSlice(block * blockBytes, blockBytes)
                        .toArray(ValueLayout.JAVA_BYTE));
            }
            assertThat(whole).isEqualTo(expected.toByteArray());
            assertThat(read(plane, 100 * blockBytes + 7, 2 * blockBytes))
                    .isEqualTo(Arrays.copyOfRange(whole, 7, Math.toIntExact(7 + 2 * blockBytes)));
        }
    }

    @Test
    void shouldJoinPhysicalNeighbours() {
        lease("r", 100, new int[] {9, 3, 4, 5, 1});
        long blockBytes = layout.blockBytes(0);
        try (Access access = open(0, 100 * blockBytes, 5 * blockBytes)) {
            assertThat(access.pieces()).isEqualTo(3);
            assertThat(access.piece(1).byteSize()).isEqualTo(3 * blockBytes);
        }
    }

    @Test
    void shouldRefuseAnyByteOutsideALiveLease() {
        lease("r", 100, new int[] {1, 2});
        lease("s", 103, new int[] {4, 5});
        long block = layout.blockBytes(0);
        assertRefused(99 * block, block);
        assertRefused(100 * block - 1, 2);
        assertRefused(101 * block, block + 1);
        assertRefused(102 * block, 1);
        assertRefused(101 * block, 3 * block); // from one lease into the next
        assertRefused(100 * block, 0);
        assertRefused(100 * block, -1);
        assertRefused(100 * block, Long.MAX_VALUE);
        assertRefused(-1, 2);
        assertRefused(SPACE.idCount() * block - 1, 2);
        assertThat(counters.value(HandoffCounter.READS_REFUSED)).isEqualTo(10);
    }

    @Test
    void shouldRefuseWritesIntoWhatIsLentForReading() {
        lease("r", 100, new int[] {1, 2});
        assertThatThrownBy(() -> regions.getFirst()
                        .open(regions.getFirst().address() + 100 * layout.blockBytes(0), 8, Operation.WRITE, HOST))
                .isInstanceOf(TransferException.class)
                .hasMessageContaining("are not lent for WRITE");
    }

    @Test
    void shouldRefuseAtOnceWhenTheLeaseEndsAndRestWhenTheLastAccessCloses() {
        BlockLease lease = lease("r", 100, new int[] {1, 2});
        long block = layout.blockBytes(0);
        Access first = open(0, 100 * block, block);
        Access second = open(1, 101 * block, block);
        assertThat(lease.end()).isFalse();
        assertRefused(100 * block, block);
        first.close();
        first.close();
        assertThat(quiet).isEmpty();
        second.close();
        assertThat(quiet).containsExactly(lease);
    }

    @Test
    void shouldBelongToItsFirstHostAndLiveOnWhenAnotherAsks() {
        BlockLease lease = lease("r", 100, new int[] {1, 2});
        LeasedRegion region = regions.getFirst();
        long address = region.address() + 100 * layout.blockBytes(0);
        region.open(address, 8, Operation.READ, HOST).close();

        assertThatThrownBy(() -> region.open(address, 8, Operation.READ, "10.0.0.2"))
                .isInstanceOf(TransferException.class)
                .hasMessageContaining("another host's than 10.0.0.2");

        region.open(address, 8, Operation.READ, HOST).close();
        assertThat(lease.end()).as("at rest").isTrue();
        assertThat(counters.value(HandoffCounter.PARTIES_REFUSED)).isEqualTo(1);
        assertThat(region.wasOpen(address, 8)).as("no guess").isTrue();
    }

    @Test
    void shouldAdmitAsManyHostsAsReadsAreExpected() {
        var lease = new BlockLease(
                "r",
                100,
                new int[] {1},
                Long.MAX_VALUE,
                new BlockLease.Purpose.Reading(new ReleaseCounter(new ReleaseQuorum(4, 2, 1))));
        assertThat(lease.admits("10.0.0.1")).isTrue();
        assertThat(lease.admits("10.0.0.2")).isTrue();
        assertThat(lease.admits("10.0.0.3")).isFalse();
        assertThat(lease.admits("10.0.0.1")).isTrue();
    }

    @Test
    void shouldTellALateReaderFromOneThatGuesses() {
        BlockLease lease = lease("r", 100, new int[] {1, 2});
        long block = layout.blockBytes(0);
        long address = regions.getFirst().address();
        lease.end();
        directory.remove(lease);
        assertRefused(100 * block, 2 * block);
        assertThat(regions.getFirst().wasOpen(address + 100 * block, 2 * block)).isTrue();
        assertThat(regions.getFirst().wasOpen(address + 100 * block, 2 * block + 1))
                .isFalse();
        assertThat(regions.getFirst().wasOpen(address + 102 * block, 1)).isFalse();
        assertThat(regions.getFirst().wasOpen(address - 1, 1)).isFalse();
    }

    private BlockLease lease(String requestId, int firstVirtualId, int[] blocks) {
        var lease = new BlockLease(
                requestId,
                firstVirtualId,
                blocks,
                Long.MAX_VALUE,
                new BlockLease.Purpose.Reading(new ReleaseCounter(new ReleaseQuorum(1, 1, 1))));
        directory.add(lease);
        return lease;
    }

    private Access open(int plane, long offset, long bytes) {
        return regions.get(plane).open(regions.get(plane).address() + offset, bytes, Operation.READ, HOST);
    }

    private byte[] read(int plane, long offset, long bytes) {
        var read = new ByteArrayOutputStream();
        try (Access access = open(plane, offset, bytes)) {
            for (int piece = 0; piece < access.pieces(); piece++) {
                read.writeBytes(access.piece(piece).toArray(ValueLayout.JAVA_BYTE));
            }
        }
        return read.toByteArray();
    }

    private void assertRefused(long offset, long bytes) {
        assertThatThrownBy(() -> open(0, offset, bytes))
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(TransferException.Kind.REJECTED));
    }
}
