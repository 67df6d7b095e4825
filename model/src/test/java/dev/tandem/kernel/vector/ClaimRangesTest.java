package dev.tandem.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.kernel.KernelThreads;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class ClaimRangesTest {
    @Test
    void shouldGiveEachSliceItsOwnRangeFirst() {
        var claims = new ClaimRanges(2);
        claims.reset(6);
        assertThat(List.of(claims.take(1), claims.take(0), claims.take(1), claims.take(0)))
                .containsExactly(3, 0, 4, 1);
    }

    @Test
    void shouldLetOneSliceTakeAllThatOthersLeave() {
        var claims = new ClaimRanges(3);
        claims.reset(7);
        assertThat(claims.take(0)).isZero();
        var taken = new ArrayList<Integer>();
        for (int claim = claims.take(2); claim >= 0; claim = claims.take(2)) {
            taken.add(claim);
        }
        assertThat(taken).containsExactly(4, 5, 6, 1, 2, 3);
        assertThat(claims.take(0)).isEqualTo(-1);
    }

    @Test
    void shouldOfferNothingWhenThereAreNoClaims() {
        var claims = new ClaimRanges(2);
        claims.reset(0);
        assertThat(claims.take(0)).isEqualTo(-1);
        assertThat(claims.take(1)).isEqualTo(-1);
    }

    @Test
    void shouldGiveEveryClaimOnceToThreadsThatTakeAtTheSameTime() {
        int count = 10_000;
        var claims = new ClaimRanges(4);
        var times = new AtomicIntegerArray(count);
        try (var threads = new KernelThreads(4)) {
            for (int round = 1; round <= 5; round++) {
                claims.reset(count);
                threads.run((slice, slices) -> {
                    for (int claim = claims.take(slice); claim >= 0; claim = claims.take(slice)) {
                        times.incrementAndGet(claim);
                    }
                });
                for (int claim = 0; claim < count; claim++) {
                    assertThat(times.get(claim)).isEqualTo(round);
                }
            }
        }
    }
}
