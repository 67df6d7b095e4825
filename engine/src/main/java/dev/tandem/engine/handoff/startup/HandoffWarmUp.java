package dev.tandem.engine.handoff.startup;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.trust.ThreadEnd;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the code of both sides of an exchange hot while the process loads its model, so that its first request does not pay for loading and
 * compiling it. A thread of its own, started before the first engine and closed after the last.
 */
public final class HandoffWarmUp implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HandoffWarmUp.class);
    private static final Duration MAX_BUDGET = Duration.ofMillis(300);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(10);

    private final Connector connector;
    private final Duration budget;
    private final Thread thread;
    private volatile boolean isClosing; // set once, by the closing thread

    private HandoffWarmUp(Connector connector, Duration budget) {
        this.connector = connector;
        this.budget = budget;
        this.thread = Thread.ofPlatform().name("handoff-warm-up").daemon().unstarted(this::run);
    }

    /**
     * @param connector that the engines of this process run
     * @param budget most time to spend on it; of more than it needs, it leaves the rest
     */
    public static HandoffWarmUp start(Connector connector, Duration budget) {
        var warmUp = new HandoffWarmUp(connector, budget.compareTo(MAX_BUDGET) < 0 ? budget : MAX_BUDGET);
        warmUp.thread.start();
        return warmUp;
    }

    private void run() {
        long beganNs = System.nanoTime();
        try {
            int exchanges = run(connector, budget, () -> isClosing);
            LOG.info("handoff warmed up in {} exchanges, {} ms", exchanges, (System.nanoTime() - beganNs) / 1_000_000);
        } catch (RuntimeException e) { // whatever it is, only this warm-up's affair
            LOG.warn("handoff not warmed up, the first request will be slower: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // nobody does this
        }
    }

    /**
     * Exchanges once, and then again until the budget is spent.
     *
     * @param connector reads, or writes layer by layer
     * @param budget from the first exchange's end on; that one takes what a cold process needs, some 0.5 s
     * @param isUnwanted asked between exchanges: true ends the warm-up
     * @return exchanges that were completed
     * @throws dev.tandem.engine.request.EngineException UNAVAILABLE when there is no loopback address to do it on
     */
    static int run(Connector connector, Duration budget, BooleanSupplier isUnwanted) throws InterruptedException {
        try (var exchange = SelfExchange.start(connector)) {
            if (!exchange.carryOut("warm-up")) {
                return 0;
            }
            int done = 1;
            long endNs = System.nanoTime() + budget.toNanos();
            while (!isUnwanted.getAsBoolean()
                    && endNs - System.nanoTime() > 0
                    && exchange.carryOut("warm-up-" + done)) {
                done++;
            }
            return done;
        }
    }

    /** Ends it after the exchange that runs. */
    @Override
    public void close() {
        isClosing = true;
        ThreadEnd.await(thread, CLOSE_LIMIT);
    }
}
