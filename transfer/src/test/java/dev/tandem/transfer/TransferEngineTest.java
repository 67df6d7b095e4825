package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
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

    private TransferEngine engine(boolean checksums) {
        TransferConfig defaults = TransferConfig.of("127.0.0.1");
        TransferEngine engine = TransferEngine.start(new TransferConfig(
                defaults.host(),
                0,
                defaults.connectionsPerPeer(),
                defaults.inFlightBytesPerPeer(),
                checksums,
                defaults.timeouts()));
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
        return engine.counters().get(counter.ordinal()).value();
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
}
