package dev.tandem.transfer.tool;

import com.sun.management.OperatingSystemMXBean;
import dev.tandem.transfer.Region;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.wire.SegmentDescriptor.Buffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import tools.jackson.databind.json.JsonMapper;

/**
 * Moves blocks to or from a target's first buffer for a while and says how fast: {@code tandem transfer bench}. Each thread posts one batch,
 * waits for it, and posts the next.
 */
public final class TransferBench {
    private static final Duration BATCH_DEADLINE = Duration.ofSeconds(30);
    private static final double GIGA = 1e9;
    // Code that is not compiled yet is not what is to be measured.
    private static final Duration MAX_WARM_UP = Duration.ofSeconds(1);

    private TransferBench() {}

    /**
     * What to measure.
     *
     * @param target segment name of the peer
     * @param operation read from it or write to it
     * @param shape of a batch
     * @param threads callers at a time
     * @param duration after which no new batch is posted; half of it more, at most a second, goes before it unmeasured
     */
    public record Plan(String target, Region.Operation operation, Shape shape, int threads, Duration duration) {
        public Plan {
            if (threads < 1 || !duration.isPositive()) {
                throw new IllegalArgumentException(
                        "--threads " + threads + ", --secs " + duration + ": both must be positive");
            }
        }
    }

    /**
     * @param blockBytes one span
     * @param blocks spans of a batch
     */
    public record Shape(long blockBytes, int blocks) {
        private static final long USUAL_BATCH_BYTES = 16 << 20;
        private static final int MAX_USUAL_BLOCKS = 64;

        public Shape {
            if (blockBytes < 1 || blocks < 1) {
                throw new IllegalArgumentException(
                        "--block " + blockBytes + ", --batch " + blocks + ": both must be positive");
            }
        }

        /** As many blocks as make 16 MiB, at most 64. */
        public static Shape of(long blockBytes) {
            long blocks = Math.clamp(USUAL_BATCH_BYTES / Math.max(1, blockBytes), 1, MAX_USUAL_BLOCKS);
            return new Shape(blockBytes, (int) blocks);
        }

        long batchBytes() {
            return Math.multiplyExact(blockBytes, (long) blocks);
        }
    }

    /**
     * What came out.
     *
     * @param bytes payload moved
     * @param seconds from the first batch to the end of the last
     * @param cpuSeconds of this process; the peer's are not in it
     */
    public record Result(Plan plan, long bytes, double seconds, double cpuSeconds) {
        public double gigabytesPerSecond() {
            return bytes / GIGA / seconds;
        }

        public double cpuSecondsPerGigabyte() {
            return cpuSeconds / (bytes / GIGA);
        }

        /** One line without its end. GB are 1e9 bytes. */
        public String toJson() {
            JsonMapper json = JsonMapper.shared();
            return json.writeValueAsString(json.createObjectNode()
                    .put("op", plan.operation().name().toLowerCase(Locale.ROOT))
                    .put("block", plan.shape().blockBytes())
                    .put("batch", plan.shape().blocks())
                    .put("threads", plan.threads())
                    .put("secs", rounded(seconds))
                    .put("bytes", bytes)
                    .put("gb_per_s", rounded(gigabytesPerSecond()))
                    .put("cpu_s_per_gb", rounded(cpuSecondsPerGigabyte())));
        }

        private static double rounded(double value) {
            return Math.round(value * 1000) / 1000.0;
        }
    }

    /** Blocks until the measurement is over; fails with the first transfer that fails. */
    public static Result run(TransferEngine engine, Plan plan) {
        List<Buffer> buffers = engine.describe(plan.target()).buffers();
        if (buffers.isEmpty()) {
            throw new IllegalArgumentException(plan.target() + " has no registered buffer");
        }
        Buffer remote = buffers.getFirst();
        if (Long.compareUnsigned(remote.length(), plan.shape().batchBytes()) < 0) {
            throw new IllegalArgumentException(
                    "a batch of " + plan.shape().batchBytes() + " bytes does not fit into the "
                            + Long.toUnsignedString(remote.length()) + " of " + plan.target());
        }
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        try (Arena arena = Arena.ofShared();
                ExecutorService threads = Executors.newFixedThreadPool(plan.threads())) {
            List<SpanBatch> batches = new ArrayList<>();
            for (int thread = 0; thread < plan.threads(); thread++) {
                batches.add(batch(
                        plan.shape(),
                        remote,
                        thread,
                        arena.allocate(plan.shape().batchBytes(), 4096)));
            }
            long warmUpNs = Math.min(plan.duration().toNanos() / 2, MAX_WARM_UP.toNanos());
            moveAll(engine, plan, batches, System.nanoTime() + warmUpNs, threads);
            long cpuStartNs = system.getProcessCpuTime();
            long startNs = System.nanoTime();
            long bytes =
                    moveAll(engine, plan, batches, startNs + plan.duration().toNanos(), threads);
            double seconds = (System.nanoTime() - startNs) / GIGA;
            return new Result(plan, bytes, seconds, (system.getProcessCpuTime() - cpuStartNs) / GIGA);
        }
    }

    private static long moveAll(
            TransferEngine engine, Plan plan, List<SpanBatch> batches, long endNs, ExecutorService threads) {
        List<CompletableFuture<Long>> moved = new ArrayList<>();
        for (SpanBatch batch : batches) {
            moved.add(CompletableFuture.supplyAsync(() -> repeat(engine, plan, batch, endNs), threads));
        }
        CompletableFuture.allOf(moved.toArray(CompletableFuture[]::new)).join();
        return moved.stream().mapToLong(CompletableFuture::join).sum();
    }

    private static long repeat(TransferEngine engine, Plan plan, SpanBatch batch, long endNs) {
        long bytes = 0;
        do {
            bytes += (plan.operation() == Region.Operation.READ
                            ? engine.read(plan.target(), batch, BATCH_DEADLINE)
                            : engine.write(plan.target(), batch, BATCH_DEADLINE))
                    .done()
                    .join()
                    .bytes();
        } while (System.nanoTime() - endNs < 0);
        return bytes;
    }

    /** Blocks in reverse order, so that neighbours are neighbours on one side only; each thread has its own part while there is room. */
    private static SpanBatch batch(Shape shape, Buffer remote, int thread, MemorySegment local) {
        long places = Math.max(1, remote.length() / shape.batchBytes());
        long start = remote.address() + thread % places * shape.batchBytes();
        long[] packed = new long[3 * shape.blocks()];
        for (int block = 0; block < shape.blocks(); block++) {
            packed[3 * block] = (shape.blocks() - 1 - block) * shape.blockBytes();
            packed[3 * block + 1] = start + block * shape.blockBytes();
            packed[3 * block + 2] = shape.blockBytes();
        }
        return new SpanBatch(local, packed);
    }
}
