package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Mooncake's address validation, case by case, and what closing a region means. */
@Timeout(value = 30, unit = TimeUnit.SECONDS)
class RegionTableTest {
    private final RegionTable table = new RegionTable();

    @ParameterizedTest
    @CsvSource({
        "4096, 4096, true", // exactly the region
        "4096, 1, true", // first byte
        "8191, 1, true", // last byte
        "5000, 100, true", // inside
        "4095, 1, false", // one before
        "8192, 1, false", // one behind
        "4095, 2, false", // begins before
        "8191, 2, false", // ends behind
        "4096, 4097, false", // one byte too long
        "4096, 0, false", // empty
        "4096, -1, false", // longer than all memory
        "-1, 2, false", // wraps around
        "0, 1, false"
    })
    void shouldOpenOnlyRangesInsideARegion(long address, long length, boolean isOpened) {
        table.add(new FakeRegion(4096, 4096));
        table.add(new FakeRegion(12_288, 4096));

        assertThat(opens(address, length)).isEqualTo(isOpened);
    }

    @Test
    void shouldRefuseARangeOverTwoNeighbours() {
        table.add(new FakeRegion(4096, 4096));
        table.add(new FakeRegion(8192, 4096));

        assertThat(opens(8000, 192)).isTrue();
        assertThat(opens(8192, 4096)).isTrue();
        assertThat(opens(8000, 193)).isFalse();
    }

    @Test
    void shouldRefuseEverythingWithoutRegions() {
        assertThat(opens(4096, 1)).isFalse();
    }

    @Test
    void shouldOrderAddressesWithoutSign() {
        table.add(new FakeRegion(Long.MIN_VALUE, 4096));
        table.add(new FakeRegion(4096, 4096));

        assertThat(opens(Long.MIN_VALUE + 1, 1)).isTrue();
        assertThat(opens(4097, 1)).isTrue();
        assertThat(opens(Long.MAX_VALUE, 1)).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"4096, 1", "8191, 1", "4000, 97", "8191, 5000", "0, 10", "100, 0", "100, -5", "-10, 20"})
    void shouldRefuseRegionsThatOverlapOrCannotBe(long address, long length) {
        table.add(new FakeRegion(4096, 4096));

        assertThatThrownBy(() -> table.add(new FakeRegion(address, length)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(table.regions()).hasSize(1);
    }

    @Test
    void shouldTakeARegionAgainAfterItsRemoval() {
        FakeRegion region = new FakeRegion(4096, 4096);
        table.add(region);
        remove(region);

        assertThat(opens(4096, 1)).isFalse();
        table.add(region);
        assertThat(opens(4096, 1)).isTrue();
        assertThatThrownBy(() -> remove(new FakeRegion(4096, 4096))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void shouldWaitForOpenAccessesOnRemoval() throws InterruptedException {
        FakeRegion region = new FakeRegion(4096, 4096);
        table.add(region);
        Region.Access first = table.open(4096, 10, Region.Operation.READ, "host");
        Region.Access second = table.open(4096, 10, Region.Operation.WRITE, "host");
        AtomicInteger closedAtReturn = new AtomicInteger(-1);
        Thread remover = Thread.ofPlatform().start(() -> {
            remove(region);
            closedAtReturn.set(region.closed.get());
        });
        while (remover.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }

        assertThat(opens(4096, 1)).isFalse();
        first.close();
        second.close();
        remover.join();

        assertThat(closedAtReturn).hasValue(2);
    }

    @Test
    void shouldNotCountAnAccessThatTheRegionRefused() {
        FakeRegion region = new FakeRegion(4096, 4096);
        region.isRefusing = true;
        table.add(region);

        assertThat(opens(4096, 1)).isFalse();
        remove(region); // would wait for ever
        assertThat(table.regions()).isEmpty();
    }

    @Test
    void shouldAskOnceThatOpenAccessesEndWhenTheyOutstayTheGrace() {
        FakeRegion region = new FakeRegion(4096, 4096);
        table.add(region);
        Region.Access open = table.open(4096, 10, Region.Operation.WRITE, "host");
        assertThat(RegionTable.isInside(open, region)).isTrue();
        assertThat(RegionTable.isInside(open, new FakeRegion(4096, 4096))).isFalse();
        AtomicInteger asked = new AtomicInteger();
        table.remove(region, 1, () -> {
            asked.incrementAndGet();
            open.close();
        });
        assertThat(asked).hasValue(1);
        assertThat(region.closed).hasValue(1);
    }

    @Test
    @Timeout(60)
    void shouldSayThatMemoryIsInUseWhenAnAccessNeverEnds() {
        var impatient = new RegionTable(Duration.ofMillis(1));
        FakeRegion region = new FakeRegion(4096, 4096);
        impatient.add(region);
        Region.Access open = impatient.open(4096, 10, Region.Operation.WRITE, "host");
        assertThatThrownBy(() -> impatient.remove(region, 1, () -> {}))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the region at 4096 is still in use: 1 accesses have not ended within PT0.001S");
        open.close();
    }

    private void remove(Region region) {
        table.remove(region, Long.MAX_VALUE / 2, () -> {
            throw new IllegalStateException("nobody waits that long");
        });
    }

    private boolean opens(long address, long length) {
        try (Region.Access access = table.open(address, length, Region.Operation.READ, "host")) {
            assertThat(access.pieces()).isEqualTo(1);
            return true;
        } catch (TransferException e) {
            assertThat(e.kind()).isEqualTo(TransferException.Kind.REJECTED);
            return false;
        }
    }

    private static final class FakeRegion implements Region {
        private final long address;
        private final long length;
        private final AtomicInteger closed = new AtomicInteger();
        private boolean isRefusing;

        private FakeRegion(long address, long length) {
            this.address = address;
            this.length = length;
        }

        @Override
        public long address() {
            return address;
        }

        @Override
        public long length() {
            return length;
        }

        @Override
        public boolean wasOpen(long from, long bytes) {
            return isRefusing;
        }

        @Override
        public Access open(long from, long bytes, Operation operation, String party) {
            if (isRefusing) {
                throw new TransferException(TransferException.Kind.REJECTED, "lease is over");
            }
            return new Access() {
                @Override
                public int pieces() {
                    return 1;
                }

                @Override
                public MemorySegment piece(int index) {
                    return MemorySegment.NULL;
                }

                @Override
                public void close() {
                    closed.incrementAndGet();
                }
            };
        }
    }
}
