package dev.tandem.bench;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.Engine;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineParts;
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
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.random.RandomGenerator;

/**
 * Prefill, decode and batch speed of the engine on this machine, in the terms of llama-bench: pp = prompt tokens per second, tg =
 * generated tokens per second of one sequence, batch = those of several at once. Sampling and scheduling are included, HTTP is not.
 *
 * <p>{@code EngineBench CHECKPOINT [threads [prompt [generate [sequences [runs]]]]]} prints a JSON line with medians.
 */
public final class EngineBench implements AutoCloseable {
    private static final int BATCH_PROMPT = 128;
    private static final int BATCH_GENERATE = 64;
    private static final int MODEL_LENGTH = 2048;
    private static final Duration LIMIT = Duration.ofMinutes(5);

    private final Checkpoint checkpoint;
    private final KernelThreads threads;
    private final Engine engine;
    private final int vocabulary;
    private int requests;

    private EngineBench(Path path, int threadCount, int sequences) {
        this.checkpoint = Checkpoint.open(path);
        this.threads = new KernelThreads(threadCount);
        this.vocabulary = checkpoint.config().vocabularySize();
        var context = RankContext.single(KernelSelection.best().kernels(threads));
        Model model = ModelLoader.load(checkpoint, context, new StepLimits(512, Math.max(16, sequences), MODEL_LENGTH));
        KvLayout layout = model.kvLayout(16, checkpoint.config().dtype());
        var pool = new KvPool(layout, layout.blocksFor(MODEL_LENGTH) * Math.max(4, sequences));
        var limits = new BatchLimits(512, Math.max(16, sequences), 64, true);
        this.engine = Engine.start(
                new EngineConfig(MODEL_LENGTH, limits, false, 0, Optional.empty()), EngineParts.single(model, pool));
    }

    public static void main(String[] arguments) throws InterruptedException {
        int threadCount = number(arguments, 1, 1);
        int prompt = number(arguments, 2, 512);
        int generate = number(arguments, 3, 128);
        int sequences = number(arguments, 4, 8);
        int runs = number(arguments, 5, 5);
        try (var bench = new EngineBench(Path.of(arguments[0]), threadCount, sequences)) {
            bench.prefill(prompt);
            bench.decode(generate);
            bench.batch(sequences);
            var prefills = new double[runs];
            var decodes = new double[runs];
            var batches = new double[runs];
            for (int run = 0; run < runs; run++) {
                prefills[run] = bench.prefill(prompt);
                decodes[run] = bench.decode(generate);
                batches[run] = bench.batch(sequences);
            }
            System.out.printf(
                    Locale.ROOT,
                    "{\"model\":\"%s\",\"threads\":%d,\"pp%d\":%.1f,\"tg%d\":%.1f,\"batch%d\":%.1f,\"runs\":%d}%n",
                    Path.of(arguments[0]).getFileName(),
                    threadCount,
                    prompt,
                    SteadyMedian.of(prefills),
                    generate,
                    SteadyMedian.of(decodes),
                    sequences,
                    SteadyMedian.of(batches),
                    runs);
        }
    }

    private static int number(String[] arguments, int index, int absent) {
        return arguments.length > index ? Integer.parseInt(arguments[index]) : absent;
    }

    /** Tokens a second of one prompt. */
    private double prefill(int promptTokens) throws InterruptedException {
        try (TokenStream stream = submit(promptTokens, 1)) {
            return promptTokens * 1e9 / end(stream).usage().times().prefillNs();
        }
    }

    /** Tokens a second of one sequence behind an empty context. */
    private double decode(int tokens) throws InterruptedException {
        try (TokenStream stream = submit(1, tokens + 1)) {
            return tokens * 1e9 / end(stream).usage().times().decodeNs();
        }
    }

    /** Tokens a second of all sequences together, from the moment at which the last one has its first token. */
    private double batch(int sequences) throws InterruptedException {
        var arrivals = new ArrayList<CompletableFuture<long[]>>();
        for (int i = 0; i < sequences; i++) {
            TokenStream stream = submit(BATCH_PROMPT, BATCH_GENERATE + 1);
            var arrived = new CompletableFuture<long[]>();
            arrivals.add(arrived);
            Thread.ofVirtual().start(() -> arrived.complete(arrivals(stream)));
        }
        long allBegan = Long.MIN_VALUE;
        long end = Long.MIN_VALUE;
        for (CompletableFuture<long[]> arrived : arrivals) {
            allBegan = Math.max(allBegan, arrived.join()[0]);
            end = Math.max(end, arrived.join()[BATCH_GENERATE]);
        }
        int tokens = 0;
        for (CompletableFuture<long[]> arrived : arrivals) {
            for (long at : arrived.join()) {
                tokens += at > allBegan ? 1 : 0;
            }
        }
        return tokens * 1e9 / (end - allBegan);
    }

    /** When each token of a stream came. */
    private static long[] arrivals(TokenStream stream) {
        var times = new long[BATCH_GENERATE + 1];
        try (stream) {
            for (int i = 0; i <= BATCH_GENERATE; i++) {
                stream.next(LIMIT);
                times[i] = System.nanoTime();
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException("nobody interrupts a bench", e);
        }
        return times;
    }

    private TokenStream submit(int promptTokens, int maxTokens) {
        var random = RandomGenerator.of("L64X128MixRandom");
        int[] ids = random.ints(promptTokens, 0, vocabulary).toArray();
        SamplingOptions options = SamplingOptions.greedy(maxTokens).ignoringEndOfText();
        return engine.submit(new Request("bench-" + requests++, ids, options, new HandoffRole.None(), LIMIT));
    }

    private static TokenEvent.Finished end(TokenStream stream) throws InterruptedException {
        while (true) {
            switch (stream.next(LIMIT)) {
                case TokenEvent.Token token -> {}
                case TokenEvent.Finished finished -> {
                    return finished;
                }
                case TokenEvent.Failed failed -> throw failed.cause();
            }
        }
    }

    @Override
    public void close() {
        engine.close();
        threads.close();
        checkpoint.close();
    }
}
