package dev.tandem.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KernelThreadsTest {
    @ParameterizedTest
    @CsvSource({"1, 1", "2, 2", "4, 4", "3, 1", "16, 2"})
    void shouldRunEverySliceOnceInEveryLoop(int count, int cores) {
        int loops = 100;
        var runs = new AtomicIntegerArray(count);
        try (var threads = new KernelThreads(count, cores)) {
            for (int loop = 1; loop <= loops; loop++) {
                threads.run((slice, slices) -> {
                    runs.addAndGet(slice, slices / count);
                });
                for (int slice = 0; slice < count; slice++) {
                    assertThat(runs.get(slice)).isEqualTo(loop);
                }
            }
        }
    }

    @Test
    void shouldMakePlainWritesOfSlicesVisibleToTheOwner() {
        var written = new int[4];
        try (var threads = new KernelThreads(4, 4)) {
            for (int loop = 0; loop < 2_000; loop++) {
                threads.run((slice, slices) -> written[slice]++);
                assertThat(written).containsOnly(loop + 1);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1", "3"})
    void shouldNotBeginALoopThatItsOwnerGivesUp(int count) {
        try (var threads = new KernelThreads(count)) {
            threads.checkWith(() -> {
                throw new IllegalStateException("nobody waits");
            });
            assertThatThrownBy(() -> threads.run((slice, slices) -> {
                        throw new AssertionError("a slice ran");
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("nobody waits");
            threads.checkWith(() -> {});
            Set<Integer> ran = ConcurrentHashMap.newKeySet();
            threads.run((slice, slices) -> ran.add(slice));
            assertThat(ran).hasSize(count);
        }
    }

    @Test
    void shouldEndALoopThatIsGivenUpBetweenItsParts() {
        try (var threads = new KernelThreads(3)) {
            var asked = new AtomicIntegerArray(1);
            threads.checkWith(() -> {
                if (asked.incrementAndGet(0) > 10) {
                    throw new IllegalStateException("nobody waits");
                }
            });
            assertThatThrownBy(() -> threads.run((slice, slices) -> {
                        while (true) {
                            threads.check();
                        }
                    }))
                    .hasMessage("nobody waits");
        }
    }

    @Test
    void shouldThrowWhatASliceThrewAndGoOnWorking() {
        try (var threads = new KernelThreads(3)) {
            assertThatThrownBy(() -> threads.run((slice, slices) -> {
                        if (slice == 2) {
                            throw new IllegalStateException("slice 2 broke");
                        }
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("slice 2 broke");
            Set<Integer> ran = ConcurrentHashMap.newKeySet();
            threads.run((slice, slices) -> ran.add(slice));
            assertThat(ran).containsExactlyInAnyOrder(0, 1, 2);
        }
    }

    @Test
    void shouldRefuseALoopInsideALoop() {
        try (var threads = new KernelThreads(2)) {
            assertThatThrownBy(() -> threads.run((slice, slices) -> threads.run((inner, all) -> {})))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("runs already");
        }
    }

    @Test
    void shouldEndItsThreadsOnClose() {
        int count = 3;
        Set<Thread> seen = ConcurrentHashMap.newKeySet();
        var together = new CyclicBarrier(count); // every slice waits for the others, so each needs a thread of its own
        var threads = new KernelThreads(count);
        threads.run((slice, slices) -> {
            seen.add(Thread.currentThread());
            await(together);
        });
        threads.close();
        seen.remove(Thread.currentThread());
        assertThat(seen).hasSize(count - 1).allSatisfy(thread -> {
            assertThat(thread.isAlive()).isFalse();
            assertThat(thread.isDaemon()).isTrue();
        });
        assertThatThrownBy(() -> threads.run((slice, slices) -> {})).hasMessageContaining("closed");
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await();
        } catch (InterruptedException | BrokenBarrierException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void shouldKeepTheInterruptOfItsOwner() {
        try (var threads = new KernelThreads(2, 1)) {
            Thread.currentThread().interrupt();
            threads.run((slice, slices) -> {});
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void shouldRefuseNoThreads() {
        assertThatThrownBy(() -> new KernelThreads(0)).hasMessageContaining("at least 1");
    }
}
