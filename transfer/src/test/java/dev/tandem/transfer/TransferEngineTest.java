package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Two engines of ours over loopback. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class TransferEngineTest {
    private static final Duration DEADLINE = Duration.ofSeconds(30);

    private final Arena arena = Arena.ofShared();
    private final List<TransferEngine> engines = new ArrayList<>();

    @AfterEach
    void close() {
        engines.forEach(TransferEngine::close);
        arena.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void shouldReadSpansOfAnyLength(boolean checksums) {
        MemorySegment theirs = random(9 << 20, 1);
        MemorySegment ours = arena.allocate(9 << 20);
        TransferEngine target = engine(checksums);
        target.register(theirs);
        SpanBatch spans = awkwardSpans(theirs.address(), ours);

        Transfer.Moved moved = read(engine(checksums), target, spans);

        assertThat(moved.bytes()).isEqualTo(spans.totalBytes());
        assertThat(moved.isConfirmed()).isTrue();
        assertSpansEqual(spans, ours, theirs);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void shouldWriteSpansOfAnyLength(boolean checksums) {
        MemorySegment theirs = arena.allocate(9 << 20);
        MemorySegment ours = random(9 << 20, 2);
        TransferEngine target = engine(checksums);
        target.register(theirs);
        SpanBatch spans = awkwardSpans(theirs.address(), ours);

        Transfer.Moved moved = write(engine(checksums), target, spans);

        assertThat(moved.bytes()).isEqualTo(spans.totalBytes());
        assertThat(moved.isConfirmed()).isTrue();
        assertSpansEqual(spans, ours, theirs);
    }

    @Test
    void shouldMoveABatchOfAHundredThousandSpans() {
        int spanBytes = 96;
        int count = 100_000;
        MemorySegment theirs = random((long) spanBytes * count, 3);
        MemorySegment ours = arena.allocate((long) spanBytes * count);
        TransferEngine target = engine(true);
        target.register(theirs);
        long[] packed = new long[3 * count];
        for (int i = 0; i < count; i++) {
            packed[3 * i] = (long) (count - 1 - i) * spanBytes; // backwards, so that nothing joins
            packed[3 * i + 1] = theirs.address() + (long) i * spanBytes;
            packed[3 * i + 2] = spanBytes;
        }
        SpanBatch spans = new SpanBatch(ours, packed);

        assertThat(read(engine(true), target, spans).bytes()).isEqualTo((long) spanBytes * count);
        assertSpansEqual(spans, ours, theirs);

        MemorySegment back = arena.allocate((long) spanBytes * count);
        target.register(back);
        for (int i = 0; i < count; i++) {
            packed[3 * i + 1] = back.address() + (long) i * spanBytes;
        }
        write(engine(false), target, new SpanBatch(ours, packed));
        assertThat(back.mismatch(theirs)).isEqualTo(-1);
    }

    @Test
    void shouldCompleteEmptySpansWithoutAPeer() {
        SpanBatch spans = new SpanBatch(arena.allocate(8), new long[] {0, 1, 0, 8, 2, 0});

        Transfer.Moved moved =
                engine(true).read("127.0.0.1:1", spans, DEADLINE).done().join();

        assertThat(moved.bytes()).isZero();
    }

    @Test
    void shouldRefuseAddressesOutsideRegions() {
        MemorySegment theirs = arena.allocate(4096);
        MemorySegment ours = arena.allocate(4096);
        TransferEngine target = engine(true);
        target.register(theirs);

        Transfer read = engine(true)
                .read(
                        target.segmentName(),
                        new SpanBatch(ours, new long[] {0, theirs.address() + 4000, 200}),
                        DEADLINE);

        assertThat(kindOf(read)).isEqualTo(TransferException.Kind.REJECTED);
        assertThat(count(target, TransferCounter.REFUSED_REQUESTS)).isEqualTo(1);
    }

    @Test
    void shouldStripeALargeSpanOverConnections() {
        MemorySegment theirs = random(48 << 20, 4);
        MemorySegment ours = arena.allocate(48 << 20);
        TransferEngine target = engine(false);
        target.register(theirs);
        TransferEngine engine = engine(false);

        for (int i = 0; i < 3; i++) {
            read(engine, target, new SpanBatch(ours, new long[] {0, theirs.address(), 48 << 20}));
        }

        assertThat(ours.mismatch(theirs)).isEqualTo(-1);
        assertThat(count(engine, TransferCounter.CONNECTIONS_OPENED)).isEqualTo(4);
        assertThat(count(target, TransferCounter.CONNECTIONS_ACCEPTED)).isEqualTo(4);
        assertThat(count(engine, TransferCounter.HANDSHAKES)).isEqualTo(1);
        assertThat(count(engine, TransferCounter.READ_BYTES)).isEqualTo(3 * (48L << 20));
    }

    @Test
    void shouldMoveManyTransfersAtATime() throws Exception {
        int threads = 8;
        int each = 1 << 20;
        MemorySegment theirs = arena.allocate((long) threads * each);
        TransferEngine target = engine(true);
        target.register(theirs);
        TransferEngine engine = engine(true);
        try (ExecutorService callers = Executors.newFixedThreadPool(threads)) {
            List<Future<Long>> mismatches = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int thread = t;
                mismatches.add(callers.submit(() -> {
                    MemorySegment source = random(each, 100 + thread);
                    MemorySegment back = arena.allocate(each);
                    for (int round = 0; round < 10; round++) {
                        write(engine, target, scattered(source, theirs.address() + (long) thread * each, round));
                        read(engine, target, scattered(back, theirs.address() + (long) thread * each, round));
                    }
                    return back.mismatch(source);
                }));
            }
            for (Future<Long> mismatch : mismatches) {
                assertThat(mismatch.get()).isEqualTo(-1);
            }
        }
    }

    /** A completed write is visible to the next read, whichever connection takes it. */
    @Test
    void shouldReadWhatACompletedWriteHasWritten() {
        MemorySegment theirs = arena.allocate(64 << 10);
        MemorySegment out = arena.allocate(64 << 10);
        MemorySegment in = arena.allocate(64 << 10);
        TransferEngine target = engine(false);
        target.register(theirs);
        TransferEngine writer = engine(false);
        TransferEngine reader = engine(false);
        long[] whole = {0, theirs.address(), 64 << 10};

        for (int round = 0; round < 200; round++) {
            out.fill((byte) round);
            write(writer, target, new SpanBatch(out, whole));
            read(reader, target, new SpanBatch(in, whole));
            assertThat(in.mismatch(out)).isEqualTo(-1);
        }
    }

    @Test
    void shouldServeARegionOfManyPieces() {
        MemorySegment memory = random(1 << 20, 5);
        ReversedBlocks region = new ReversedBlocks(memory, 1_000);
        TransferEngine target = engine(true);
        target.register(region);
        TransferEngine engine = engine(true);
        MemorySegment ours = arena.allocate(1 << 20);
        SpanBatch spans = new SpanBatch(ours, new long[] {0, region.address() + 500, 1_000_000});

        read(engine, target, spans);

        for (int i = 0; i < 1_000_000; i += 997) {
            assertThat(ours.get(ValueLayout.JAVA_BYTE, i)).isEqualTo(region.at(500 + i));
        }
        ours.fill((byte) 3);
        write(engine, target, spans);
        for (int i = 0; i < 1_000_000; i += 997) {
            assertThat(region.at(500 + i)).isEqualTo((byte) 3);
        }
        assertThat(region.open.get()).isZero();
    }

    @Test
    void shouldRefuseWhatARegionRefuses() {
        ReversedBlocks region = new ReversedBlocks(arena.allocate(1 << 20), 1_000);
        TransferEngine target = engine(true);
        target.register(region);
        region.isOver = true;

        Transfer transfer = engine(true)
                .read(
                        target.segmentName(),
                        new SpanBatch(arena.allocate(10), new long[] {0, region.address(), 10}),
                        DEADLINE);

        assertThat(kindOf(transfer)).isEqualTo(TransferException.Kind.REJECTED);
    }

    @Test
    void shouldRefuseAfterUnregistration() {
        MemorySegment theirs = arena.allocate(4096);
        TransferEngine target = engine(true);
        Region region = target.register(theirs);
        TransferEngine engine = engine(true);
        SpanBatch spans = new SpanBatch(arena.allocate(4096), new long[] {0, theirs.address(), 4096});
        read(engine, target, spans);

        target.unregister(region);

        assertThat(kindOf(engine.read(target.segmentName(), spans, DEADLINE)))
                .isEqualTo(TransferException.Kind.REJECTED);
        target.register(theirs);
        assertThat(read(engine, target, spans).bytes()).isEqualTo(4096);
    }

    @Test
    void shouldOnlyReadReadOnlyMemory() {
        MemorySegment theirs = random(4096, 6).asReadOnly();
        TransferEngine target = engine(true);
        target.register(theirs);
        TransferEngine engine = engine(true);
        SpanBatch spans = new SpanBatch(arena.allocate(4096), new long[] {0, theirs.address(), 4096});

        assertThat(read(engine, target, spans).bytes()).isEqualTo(4096);
        assertThat(kindOf(engine.write(target.segmentName(), spans, DEADLINE)))
                .isEqualTo(TransferException.Kind.REJECTED);
    }

    @Test
    void shouldRejectACallersMistakesAtOnce() {
        TransferEngine engine = engine(true);
        MemorySegment local = arena.allocate(100);

        assertThatThrownBy(() -> engine.read("p:1", new SpanBatch(local, new long[] {90, 1, 11}), DEADLINE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("span 0");
        assertThatThrownBy(() -> engine.read("p:1", new SpanBatch(local, new long[] {-1, 1, 11}), DEADLINE))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> engine.write("p:1", new SpanBatch(local, new long[] {0, 1, -1}), DEADLINE))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> engine.read("p:1", new SpanBatch(local.asReadOnly(), new long[] {0, 1, 1}), DEADLINE))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> engine.read(
                        "p:1", new SpanBatch(MemorySegment.ofArray(new byte[8]), new long[] {0, 1, 1}), DEADLINE))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> engine.register(Arena.ofConfined().allocate(8)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> TransferEngine.start(TransferConfig.of("0.0.0.0")))
                .hasMessageContaining("wildcard");
        assertThatThrownBy(() -> new TransferConfig(
                        " ",
                        -1,
                        new TransferConfig.Flow(0, 1, -1),
                        true,
                        new TransferConfig.Timeouts(Duration.ZERO, Duration.ofSeconds(1))))
                .hasMessageContainingAll(
                        "host", "rpcPort", "connectionsPerPeer", "inFlightBytesPerPeer", "bytesPerSecond", "timeouts");
    }

    @Test
    void shouldNameThePortThatIsInUse() {
        int port = engine(true).rpcPort();
        TransferConfig defaults = TransferConfig.of("127.0.0.1");

        assertThatThrownBy(() -> TransferEngine.start(
                        new TransferConfig("127.0.0.1", port, defaults.flow(), true, defaults.timeouts())))
                .isInstanceOf(java.io.UncheckedIOException.class)
                .hasMessageContaining(":" + port);
    }

    @Test
    void shouldBringTheSameBytesAtASlowPaceInBothDirections() {
        TransferConfig paced = TransferConfig.of("127.0.0.1").withPace(20_000_000);
        TransferEngine target = TransferEngine.start(paced);
        TransferEngine engine = TransferEngine.start(paced);
        engines.add(target);
        engines.add(engine);
        MemorySegment theirs = arena.allocate(1 << 20);
        MemorySegment ours = arena.allocate(1 << 20);
        for (int i = 0; i < 1 << 20; i++) {
            theirs.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 31 + (i >>> 9)));
        }
        target.register(theirs);
        var spans = new SpanBatch.Builder();
        for (int i = 0; i < 1 << 20; i += 4096) {
            spans.add(i, theirs.address() + (1 << 20) - 4096 - i, 4096);
        }

        assertThat(read(engine, target, spans.build(ours)).bytes()).isEqualTo(1 << 20);
        assertThat(ours.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo(theirs.get(ValueLayout.JAVA_BYTE, (1 << 20) - 4096));
        byte[] before = theirs.toArray(ValueLayout.JAVA_BYTE);
        theirs.fill((byte) 0);
        assertThat(engine.write(target.segmentName(), spans.build(ours), DEADLINE)
                        .done()
                        .join()
                        .bytes())
                .isEqualTo(1 << 20);
        assertThat(theirs.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(before);
    }

    private TransferEngine engine(boolean checksums) {
        TransferConfig defaults = TransferConfig.of("127.0.0.1");
        TransferEngine engine = TransferEngine.start(
                new TransferConfig(defaults.host(), 0, defaults.flow(), checksums, defaults.timeouts()));
        engines.add(engine);
        return engine;
    }

    private static Transfer.Moved read(TransferEngine engine, TransferEngine target, SpanBatch spans) {
        return engine.read(target.segmentName(), spans, DEADLINE).done().join();
    }

    private static Transfer.Moved write(TransferEngine engine, TransferEngine target, SpanBatch spans) {
        return engine.write(target.segmentName(), spans, DEADLINE).done().join();
    }

    private static TransferException.Kind kindOf(Transfer transfer) {
        try {
            transfer.done().join();
        } catch (CompletionException e) {
            return ((TransferException) e.getCause()).kind();
        }
        throw new AssertionError("transfer did not fail");
    }

    private static long count(TransferEngine engine, TransferCounter counter) {
        return engine.counters().value(counter);
    }

    /** 1,024 spans of 1 KiB in an order of their own. */
    private static SpanBatch scattered(MemorySegment local, long remote, int seed) {
        int count = (int) (local.byteSize() >> 10);
        long[] packed = new long[3 * count];
        for (int i = 0; i < count; i++) {
            long at = (long) (i * 389 + seed) % count << 10;
            packed[3 * i] = at;
            packed[3 * i + 1] = remote + at;
            packed[3 * i + 2] = 1 << 10;
        }
        return new SpanBatch(local, packed);
    }

    private static SpanBatch awkwardSpans(long remote, MemorySegment local) {
        SpanBatch.Builder spans = new SpanBatch.Builder();
        long offset = 0;
        for (int bytes :
                new int[] {1, 7, 23, 24, 25, 0, 4095, 4096, 65_535, 65_537, 1 << 20, (1 << 20) + 1, 5_000_001}) {
            spans.add(offset + 3, remote + offset + 1, bytes);
            offset += bytes + 5;
        }
        return spans.build(local);
    }

    private static void assertSpansEqual(SpanBatch spans, MemorySegment ours, MemorySegment theirs) {
        for (int i = 0; i < spans.spans(); i++) {
            MemorySegment here = ours.asSlice(spans.localOffset(i), spans.bytes(i));
            MemorySegment there = theirs.asSlice(spans.remoteAddress(i) - theirs.address(), spans.bytes(i));
            assertThat(here.mismatch(there)).as("span %s", i).isEqualTo(-1);
        }
    }

    private MemorySegment random(long bytes, long seed) {
        MemorySegment memory = arena.allocate(bytes, 8);
        SplittableRandom random = new SplittableRandom(seed);
        for (long at = 0; at + 8 <= bytes; at += 8) {
            memory.set(ValueLayout.JAVA_LONG, at, random.nextLong());
        }
        return memory;
    }

    /** Virtual addresses over blocks that lie in memory in reverse order, as a leased region's may. */
    private static final class ReversedBlocks implements Region {
        private final MemorySegment memory;
        private final int blockBytes;
        private final AtomicInteger open = new AtomicInteger();
        private volatile boolean isOver;

        private ReversedBlocks(MemorySegment memory, int blockBytes) {
            this.memory = memory;
            this.blockBytes = blockBytes;
        }

        @Override
        public long address() {
            return 0x4000_0000_0000L;
        }

        @Override
        public long length() {
            return memory.byteSize() / blockBytes * blockBytes;
        }

        byte at(long offset) {
            return memory.get(ValueLayout.JAVA_BYTE, blockStart(offset) + offset % blockBytes);
        }

        private long blockStart(long offset) {
            return (length() / blockBytes - 1 - offset / blockBytes) * blockBytes;
        }

        @Override
        public boolean wasOpen(long from, long bytes) {
            return isOver;
        }

        @Override
        public Access open(long from, long length, Operation operation, String party) {
            if (isOver) {
                throw new TransferException(TransferException.Kind.REJECTED, "lease is over");
            }
            open.incrementAndGet();
            List<MemorySegment> pieces = new ArrayList<>();
            for (long offset = from - address(), end = offset + length; offset < end; ) {
                long bytes = Math.min(end - offset, blockBytes - offset % blockBytes);
                pieces.add(memory.asSlice(blockStart(offset) + offset % blockBytes, bytes));
                offset += bytes;
            }
            return new Access() {
                @Override
                public int pieces() {
                    return pieces.size();
                }

                @Override
                public MemorySegment piece(int index) {
                    return pieces.get(index);
                }

                @Override
                public void close() {
                    open.decrementAndGet();
                }
            };
        }
    }
}
