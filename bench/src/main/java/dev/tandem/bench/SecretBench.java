package dev.tandem.bench;

import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.tool.TransferBench;
import dev.tandem.transfer.tool.TransferTarget;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * What the cluster's secret costs where bytes move between processes: writes of 1 MiB blocks, reads of 4 KiB one at a time, and the first
 * bytes of an engine that has no connection yet. Two pairs of engines in one process, one pair with a secret and one without, in turns;
 * processor time is that of both ends.
 *
 * <p>{@code SecretBench [rounds=9] [secs=1]} prints a JSON line per measure: both medians and the ratio with : without.
 */
public final class SecretBench {
    private static final long TARGET_BYTES = 64 << 20;
    private static final int FIRST_READS = 10;
    private static final int MOST_ATTEMPTS = 10;
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final TransferBench.Shape LARGE = new TransferBench.Shape(1 << 20, 16);
    private static final TransferBench.Shape SMALL = new TransferBench.Shape(4 << 10, 1);

    /** Two engines that know the same secret, or none. */
    private record Pair(TransferConfig config, TransferTarget target, TransferEngine engine) {
        static Pair of(ClusterSecret secret) {
            TransferConfig config = TransferConfig.of("127.0.0.1").with(new PeerTrust(secret, AddressList.empty()));
            return new Pair(config, TransferTarget.open(config, TARGET_BYTES), TransferEngine.start(config));
        }

        /** The first handshakes of a process load classes: on a busy machine that takes longer than the other side waits. */
        void meet() {
            for (int attempt = 1; ; attempt++) {
                try {
                    engine.describe(target.engine().segmentName());
                    return;
                } catch (TransferException e) {
                    if (attempt == MOST_ATTEMPTS) {
                        throw e;
                    }
                }
            }
        }

        TransferBench.Result run(Operation operation, TransferBench.Shape shape, int seconds) {
            return TransferBench.run(
                    engine,
                    new TransferBench.Plan(
                            target.engine().segmentName(), operation, shape, 1, Duration.ofSeconds(seconds)));
        }

        /** Milliseconds until an engine without connections has read 64 bytes. */
        double firstReadMs() {
            try (Arena arena = Arena.ofShared();
                    TransferEngine fresh = TransferEngine.start(config)) {
                long[] span = {0, target.memory().address(), 64};
                var batch = new SpanBatch(arena.allocate(64), span);
                long startNs = System.nanoTime();
                fresh.read(target.engine().segmentName(), batch, LIMIT).done().join();
                return (System.nanoTime() - startNs) / 1e6;
            }
        }
    }

    private final List<Pair> pairs = List.of(
            Pair.of(ClusterSecret.none()), Pair.of(ClusterSecret.of("a secret that only this measurement has")));
    private final int rounds;

    private SecretBench(int rounds) {
        this.rounds = rounds;
    }

    /** Measures both pairs in turns, after a round that does not count. */
    private double[][] inTurns(ToDoubleFunction<Pair> measure) {
        var values = new double[pairs.size()][rounds]; // [pair, round]
        for (int round = -1; round < rounds; round++) {
            for (int pair = 0; pair < pairs.size(); pair++) {
                double value = measure.applyAsDouble(pairs.get(pair));
                if (round >= 0) {
                    values[pair][round] = value;
                }
            }
        }
        return values;
    }

    private void print(String name, String unit, double[][] values) {
        double without = SteadyMedian.of(values[0]);
        double with = SteadyMedian.of(values[1]);
        System.out.printf(
                Locale.ROOT,
                "{\"measure\":\"%s\",\"unit\":\"%s\",\"without\":%.3f,\"with\":%.3f,\"ratio\":%.3f,\"rounds\":%d}%n",
                name,
                unit,
                without,
                with,
                with / without,
                rounds);
    }

    public static void main(String[] arguments) {
        var options = new BenchArguments(List.of(arguments));
        int seconds = options.number("secs", 1);
        var bench = new SecretBench(options.number("rounds", 9));
        bench.pairs.forEach(Pair::meet);
        var cpu = new double[2][bench.rounds]; // [pair, round]
        var calls = new int[2];
        double[][] rates = bench.inTurns(pair -> {
            TransferBench.Result result = pair.run(Operation.WRITE, LARGE, seconds);
            int index = bench.pairs.indexOf(pair);
            cpu[index][calls[index]++ % bench.rounds] = result.cpuSecondsPerGigabyte() * 1e3;
            return result.gigabytesPerSecond() * 1e3;
        });
        bench.print("writes of 1 MiB blocks", "MB/s", rates);
        bench.print("processor time of both ends", "ms/GB", cpu);
        bench.print("a read of 4 KiB", "us", bench.inTurns(pair -> {
            TransferBench.Result result = pair.run(Operation.READ, SMALL, seconds);
            return result.seconds() * 1e6 * SMALL.blockBytes() / result.bytes();
        }));
        bench.print("first bytes of a new engine", "ms", bench.inTurns(pair -> {
            double[] reads = new double[FIRST_READS];
            Arrays.setAll(reads, read -> pair.firstReadMs());
            return SteadyMedian.of(reads);
        }));
        for (Pair pair : bench.pairs) {
            pair.engine().close();
            pair.target().close();
        }
    }
}
