package dev.tandem.engine;

import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.execute.ModelExecutor;
import dev.tandem.engine.execute.RankWorker;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.startup.KvConnectors;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.trust.ThreadEnd;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Serves requests on the ranks of one data-parallel replica. Thread-safe; all state belongs to its engine loop. */
public final class Engine implements Replica, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    /** How long kernels are usually made hot. */
    public static final Duration WARM_UP = Duration.ofSeconds(2);

    private static final Duration CLOSE_LIMIT = Duration.ofMinutes(1); // for the step that runs

    private final Intake intake;
    private final Inbox inbox;
    private final EngineLoop loop;
    private final Thread thread;
    private final ModelExecutor executor;
    private final Optional<KvConnector> connector;

    private Engine(
            EngineConfig config,
            EngineParts parts,
            Inbox inbox,
            ModelExecutor executor,
            Optional<KvConnector> connector) {
        EngineParts.Shard first = parts.shards().getFirst();
        var pool = first.pool();
        var blocks = new BlockManager(pool.blockCount(), pool.layout().blockSize(), config.cachesPrefixes());
        this.inbox = inbox;
        this.executor = executor;
        this.connector = connector;
        this.loop = new EngineLoop(config, first.model().config(), blocks, connector, inbox, System::nanoTime);
        var checks = new RequestChecks(config, first.model().config().vocabularySize(), pool);
        this.intake = new Intake(checks, inbox, loop, connector.isPresent(), System::nanoTime);
        this.thread = Thread.ofPlatform()
                .name("tandem-engine-" + parts.dpRank())
                .daemon()
                .unstarted(() -> loop.run(executor));
    }

    /** Starts an engine with the usual time for warming up. */
    public static Engine start(EngineConfig config, EngineParts parts) {
        return start(config, parts, WARM_UP);
    }

    /**
     * Loads nothing itself: takes an opened model and its KV memory, warms kernels up and starts the loop. Returns when healthy. The engine
     * closes model and pool, also when it does not start.
     *
     * @param warmUp most time to spend on making kernels hot; zero leaves it out
     */
    public static Engine start(EngineConfig config, EngineParts parts, Duration warmUp) {
        return start(config, parts, warmUp, wake -> connect(config, parts, wake));
    }

    private static Optional<KvConnector> connect(EngineConfig config, EngineParts parts, Runnable wakeLoop) {
        if (config.handoff().isEmpty()) {
            return Optional.empty();
        }
        HandoffRuntime runtime =
                parts.runtime().orElseThrow(() -> new IllegalArgumentException("an exchange needs a runtime"));
        KvConnector connector = KvConnectors.start(config.handoff().get(), parts.pools(), runtime, wakeLoop);
        LOG.info("connector started: {}", connector);
        return Optional.of(connector);
    }

    /** @param connect makes the connector, given what wakes the loop; tests do it without a network */
    static Engine start(
            EngineConfig config,
            EngineParts parts,
            Duration warmUp,
            Function<Runnable, Optional<KvConnector>> connect) {
        var inbox = new Inbox(config.limits().waiting());
        var executor = new ModelExecutor(workers(parts));
        try {
            int longestChunk = Math.min(config.limits().batchedTokens(), config.maxModelLength() - 1);
            if (warmUp.isPositive()) {
                int steps = executor.warmUp(longestChunk, config.limits().sequences(), warmUp);
                LOG.info("warmed up in {} steps", steps);
            }
            var engine = new Engine(config, parts, inbox, executor, connect.apply(inbox::wake));
            inbox.serve(() -> LockSupport.unpark(engine.thread));
            engine.thread.start();
            return engine;
        } catch (InterruptedException interrupted) {
            executor.close();
            Thread.currentThread().interrupt();
            throw new EngineException(Kind.UNAVAILABLE, "interrupted while warming up", interrupted);
        } catch (RuntimeException failure) {
            executor.close();
            throw failure;
        }
    }

    @Override
    public TokenStream submit(Request request) {
        return intake.submit(request);
    }

    @Override
    public void cancelLease(String requestId) {
        inbox.cancelLease(requestId);
    }

    @Override
    public EngineStatus status() {
        return loop.status();
    }

    /**
     * Ends all requests with UNAVAILABLE and stops the loop; then nothing touches model and pool, which are closed too. Where a step hangs,
     * everything that it may touch is left alone.
     */
    @Override
    public void close() {
        close(CLOSE_LIMIT);
    }

    void close(Duration limit) {
        loop.close();
        if (ThreadEnd.await(thread, limit)) {
            connector.ifPresent(KvConnector::close);
            executor.close();
        }
    }

    private static List<RankWorker> workers(EngineParts parts) {
        var workers = new ArrayList<RankWorker>();
        for (EngineParts.Shard shard : parts.shards()) {
            String name = parts.dpRank() + "." + workers.size();
            workers.add(new RankWorker(name, shard.model(), shard.pool(), shard.collective()));
        }
        return workers;
    }
}
