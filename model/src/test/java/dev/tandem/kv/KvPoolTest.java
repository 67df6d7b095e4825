package dev.tandem.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.kernel.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class KvPoolTest {
    private static final KvLayout LAYOUT = new KvLayout(
            16,
            List.of(
                    new KvPlane("k.0", DType.BF16, 2, 8, 0, 2),
                    new KvPlane("v.0", DType.BF16, 2, 8, 0, 2),
                    new KvPlane("k.1", DType.F32, 1, 4, 0, 1)));

    @Test
    void shouldLayPlanesOneAfterTheOther() {
        try (var pool = new KvPool(LAYOUT, 5)) {
            assertThat(pool.memory().byteSize()).isEqualTo(5 * LAYOUT.blockBytes());
            assertThat(pool.planeOffset(1)).isEqualTo(5L * 16 * 2 * 8 * 2);
            assertThat(pool.planeOffset(2)).isEqualTo(2 * pool.planeOffset(1));
            for (int plane = 0; plane < 3; plane++) {
                MemorySegment view = pool.plane(plane).data();
                assertThat(view.address()).isEqualTo(pool.memory().address() + pool.planeOffset(plane));
                assertThat(view.byteSize()).isEqualTo(5 * LAYOUT.blockBytes(plane));
            }
        }
    }

    @Test
    void shouldBeginZeroedAndKeepWhatIsWritten() {
        try (var pool = new KvPool(LAYOUT, 3)) {
            MemorySegment last = pool.plane(2).data();
            long at = last.byteSize() - 4;
            assertThat(last.get(ValueLayout.JAVA_INT_UNALIGNED, at)).isZero();
            last.set(ValueLayout.JAVA_INT_UNALIGNED, at, 42);
            assertThat(pool.memory()
                            .get(ValueLayout.JAVA_INT_UNALIGNED, pool.memory().byteSize() - 4))
                    .isEqualTo(42);
        }
    }

    @Test
    void shouldCommitNothingBeforeItIsWritten() throws IOException {
        var layout = new KvLayout(16, List.of(new KvPlane("k.0", DType.F32, 8, 128, 0, 8)));
        long before = sharedMemoryInUseKb();
        try (var pool = new KvPool(layout, 4096)) { // 256 MiB
            pool.memory().set(ValueLayout.JAVA_BYTE, pool.memory().byteSize() - 1, (byte) 1);
            assertThat(sharedMemoryInUseKb() - before).isLessThan(4096);
        }
    }

    /** What this process holds of shared files, by the operating system's own count. */
    private static long sharedMemoryInUseKb() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("RssShmem:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void shouldLeaveNoFileBehind() throws IOException {
        try (var pool = new KvPool(LAYOUT, 1)) {
            assertThat(pool.blockCount()).isOne();
            List<String> mappings = Files.readAllLines(Path.of("/proc/self/maps"));
            assertThat(mappings).anyMatch(line -> line.contains("tandem-kv-") && line.endsWith("(deleted)"));
            assertThat(mappings).noneMatch(line -> line.contains("tandem-kv-") && !line.endsWith("(deleted)"));
        }
        assertThat(Files.readAllLines(Path.of("/proc/self/maps"))).noneMatch(line -> line.contains("tandem-kv-"));
    }

    @Test
    void shouldRefuseAccessAfterClose() {
        var pool = new KvPool(LAYOUT, 1);
        MemorySegment view = pool.plane(0).data();
        pool.close();
        assertThatThrownBy(() -> view.get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void shouldNameEveryPlaceWithoutRoom() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> PoolFile.map(1L << 55, List.of(PoolFile.Place.values()), arena))
                    .isInstanceOf(KvMemoryException.class)
                    .hasMessageContaining("a KV pool of 36028797018963968 bytes finds no room")
                    .hasMessageContaining("/dev/shm has ")
                    .hasMessageContaining(" bytes left; ");
        }
    }

    @Test
    void shouldFallBackToTemporaryDirectory() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = PoolFile.map(8192, List.of(PoolFile.Place.TEMPORARY_DIRECTORY), arena);
            memory.set(ValueLayout.JAVA_BYTE, 8191, (byte) 7);
            assertThat(memory.byteSize()).isEqualTo(8192);
        }
    }

    @Test
    void shouldRefuseCountsThatSlotsCannotNumber() {
        assertThatThrownBy(() -> new KvPool(LAYOUT, 0)).hasMessageContaining("block count 0 is outside 1..134217727");
    }
}
