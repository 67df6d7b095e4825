package dev.tandem.bench;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.Engine;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineParts;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.startup.HandoffWarmUp;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.Model;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * How long a decode node's first token comes after the prefill node's last layer, pull against layerwise push, over a link of a given
 * rate. Two engines in one process with all sockets between them; gateway and HTTP are left out in both. The prefill node's own token,
 * sampled right behind its last layer, stands for that layer; a push may come before it, since the last layer's keys and values leave
 * before its attention begins.
 *
 * <p>{@code PushBench CHECKPOINT BYTES_PER_SECOND [threads [prompt [runs]]]} runs both in turns and prints a JSON line with medians;
 * a rate of 0 means unbounded.
 */
public final class PushBench implements AutoCloseable {
    private static final int BLOCK_SIZE = 16;
    private static final int CHUNK = 2048;
    private static final int MODEL_LENGTH = 8192;
    private static final Duration LIMIT = Duration.ofMinutes(5);

    /** A prefill and a decode engine with one connector. */
    private static final class Pair implements AutoCloseable {
        final HandoffWarmUp warmUp;
        final HandoffRuntime prefillRuntime;
        final HandoffRuntime decodeRuntime;
        final Engine prefill;
        final Engine decode;
        /** What the metaserver does with the next invitation. */
        volatile Consumer<Invitation> metaserver = invitation -> {};

        Pair(Loader loader, Connector connector, long bytesPerSecond) {
            prefillRuntime = HandoffRuntime.start("127.0.0.1", "127.0.0.1", (i, answered) -> () -> {}, bytesPerSecond);
            decodeRuntime = HandoffRuntime.start(
                    "127.0.0.1",
                    "127.0.0.1",
                    (invitation, answered) -> {
                        metaserver.accept(invitation);
                        return () -> {};
                    },
                    bytesPerSecond);
            warmUp = HandoffWarmUp.start(connector, Engine.WARM_UP);
            prefill = loader.engine(prefillRuntime, Role.PRODUCER, connector);
            decode = loader.engine(decodeRuntime, Role.CONSUMER, connector);
        }

        @Override
        public void close() {
            decode.close();
            prefill.close();
            warmUp.close();
            decodeRuntime.close();
            prefillRuntime.close();
        }
    }

    /** Makes engines over one mapped checkpoint. */
    private record Loader(Checkpoint checkpoint, int threadCount, List<KernelThreads> threads) {
        Engine engine(HandoffRuntime runtime, Role role, Connector connector) {
            threads.add(new KernelThreads(threadCount));
            var context = RankContext.single(KernelSelection.best().kernels(threads.getLast()));
            Model model = ModelLoader.load(checkpoint, context, new StepLimits(512, 4, MODEL_LENGTH));
            KvLayout layout = model.kvLayout(BLOCK_SIZE, checkpoint.config().dtype());
            var pool = new KvPool(layout, layout.blocksFor(MODEL_LENGTH) + 8);
            var handoff = new HandoffConfig(
                    role.name() + connector,
                    0,
                    role,
                    connector,
                    new Peers.FromTicket(1),
                    LIMIT,
                    LIMIT,
                    HandoffConfig.FailurePolicy.FAIL);
            var limits = new BatchLimits(CHUNK, 4, 16, true);
            return Engine.start(
                    new EngineConfig(MODEL_LENGTH, limits, false, 0, Optional.of(handoff)),
                    EngineParts.single(model, pool).with(runtime),
                    Duration.ofMillis(500));
        }
    }

    private final Checkpoint checkpoint;
    private final List<KernelThreads> threads = new ArrayList<>(); // of each engine
    private final Pair pull;
    private final Pair push;
    private int requests;
    private long movedBytes; // of the last request

    private PushBench(Path path, long bytesPerSecond, int threadCount) {
        this.checkpoint = Checkpoint.open(path);
        var loader = new Loader(checkpoint, threadCount, threads);
        this.pull = new Pair(loader, Connector.PULL, bytesPerSecond);
        this.push = new Pair(loader, Connector.LAYERWISE, bytesPerSecond);
    }

    public static void main(String[] arguments) throws InterruptedException {
        long bytesPerSecond = Long.parseLong(arguments[1]);
        int threadCount = number(arguments, 2, 2);
        int prompt = number(arguments, 3, 2048);
        int runs = number(arguments, 4, 3);
        try (var bench = new PushBench(Path.of(arguments[0]), bytesPerSecond, threadCount)) {
            int[] warm = bench.prompt(256);
            bench.pull(warm);
            bench.push(warm);
            var pulls = new double[runs];
            var pushes = new double[runs];
            for (int run = 0; run < runs; run++) {
                int[] tokens = bench.prompt(prompt);
                pulls[run] = bench.pull(tokens);
                pushes[run] = bench.push(tokens);
            }
            double bytes = bench.movedBytes;
            double wireMs = bytesPerSecond == 0 ? 0 : bytes / bytesPerSecond * 1e3;
            System.out.printf(
                    Locale.ROOT,
                    "{\"prompt\":%d,\"kv_mb\":%.1f,\"gbit_s\":%.1f,\"wire_ms\":%.1f,\"pull_ms\":%.1f,\"push_ms\":%.1f,"
                            + "\"threads\":%d,\"runs\":%d}%n",
                    prompt,
                    bytes / 1e6,
                    bytesPerSecond * 8 / 1e9,
                    wireMs,
                    SteadyMedian.of(pulls),
                    SteadyMedian.of(pushes),
                    threadCount,
                    runs);
        }
    }

    private static int number(String[] arguments, int index, int absent) {
        return arguments.length > index ? Integer.parseInt(arguments[index]) : absent;
    }

    private int[] prompt(int length) {
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        return random.ints(length, 100, checkpoint.config().vocabularySize()).toArray();
    }

    /** Milliseconds between the prefill node's token and the decode node's. */
    private double pull(int[] prompt) throws InterruptedException {
        String id = "r" + requests++;
        long computedNs;
        HandoffRole fetch;
        try (TokenStream stream = pull.prefill.submit(request(id, prompt, new HandoffRole.Lend()))) {
            computedNs = firstToken(stream);
            var ticket = ((TokenEvent.Finished) stream.next(LIMIT)).ticket().orElseThrow();
            fetch = HandoffParams.parse(new LinkedHashMap<>(ticket.toParams()));
        }
        try (TokenStream stream = pull.decode.submit(request(id, prompt, fetch))) {
            long arrivedNs = firstToken(stream);
            movedBytes =
                    ((TokenEvent.Finished) stream.next(LIMIT)).usage().handoff().bytes();
            return (arrivedNs - computedNs) / 1e6;
        }
    }

    /** Milliseconds between the prefill node's token and the decode node's, where the KV is pushed. */
    private double push(int[] prompt) throws InterruptedException {
        String id = "r" + requests++;
        var computedNs = new CompletableFuture<Long>();
        push.metaserver = invitation -> Thread.ofVirtual().start(() -> {
            HandoffRole role = HandoffParams.parse(new LinkedHashMap<>(invitation.params()));
            try (TokenStream stream = push.prefill.submit(request(id, prompt, role))) {
                computedNs.complete(firstToken(stream));
                stream.next(LIMIT);
            } catch (InterruptedException | RuntimeException e) {
                computedNs.completeExceptionally(e);
            }
        });
        try (TokenStream stream =
                push.decode.submit(request(id, prompt, new HandoffRole.Receive("http://127.0.0.1/v1/metaserver")))) {
            long arrivedNs = firstToken(stream);
            movedBytes =
                    ((TokenEvent.Finished) stream.next(LIMIT)).usage().handoff().bytes();
            return (arrivedNs - computedNs.join()) / 1e6;
        }
    }

    private static Request request(String id, int[] prompt, HandoffRole role) {
        return new Request(id, prompt, SamplingOptions.greedy(1).ignoringEndOfText(), role, LIMIT);
    }

    /** When a stream's first token came. */
    private static long firstToken(TokenStream stream) throws InterruptedException {
        TokenEvent event = stream.next(LIMIT);
        if (event instanceof TokenEvent.Failed failed) {
            throw failed.cause();
        }
        return System.nanoTime();
    }

    @Override
    public void close() {
        push.close();
        pull.close();
        threads.forEach(KernelThreads::close);
        checkpoint.close();
    }
}
