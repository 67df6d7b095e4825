package dev.tandem.engine;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.engine.EngineLoop.Round;
import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvPool;
import dev.tandem.model.TokenBatch;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * An engine without a thread and without a model: whoever has it begins each step, computes it in whatever time, and ends it. Scheduler,
 * sequences, blocks and connector are those of an {@link Engine}; what {@code Engine} waits for is told here instead. For simulations, which
 * have their own time; one thread.
 */
public final class SteppedEngine {
    /**
     * A step to be computed.
     *
     * @param batch what to compute
     * @param isUnwanted whether nobody waits for it any more; then it may be given up between two layers
     * @param listener to be told of each layer on each rank
     */
    public record Step(TokenBatch batch, BooleanSupplier isUnwanted, LayerListener listener) {}

    private final EngineLoop loop;
    private final Inbox inbox;
    private final Optional<KvConnector> connector;
    private final Intake intake;
    private @Nullable Round round; // begun and not ended

    /**
     * @param model its vocabulary and end tokens count here
     * @param pool of rank 0
     * @param connect makes the connector, given what wakes the engine
     * @param wake called when a step is due although {@link #nextDeadlineNs} has not come
     * @param nanoClock the time of this machine
     */
    public SteppedEngine(
            EngineConfig config,
            ModelConfig model,
            KvPool pool,
            Function<Runnable, Optional<KvConnector>> connect,
            Runnable wake,
            LongSupplier nanoClock) {
        this.inbox = new Inbox(config.limits().waiting());
        inbox.serve(wake);
        var blocks = new BlockManager(pool.blockCount(), pool.layout().blockSize(), config.cachesPrefixes());
        this.connector = connect.apply(inbox::wake);
        this.loop = new EngineLoop(config, model, blocks, connector, inbox, nanoClock);
        var checks = new RequestChecks(config, model.vocabularySize(), pool);
        this.intake = new Intake(checks, inbox, loop, connector.isPresent(), nanoClock);
    }

    /** As {@link Engine#submit}. */
    public TokenQueue submit(Request request) {
        return intake.submit(request);
    }

    /** As {@link Engine#cancelLease}. */
    public void cancelLease(String requestId) {
        inbox.cancelLease(requestId);
    }

    /**
     * Begins a step, which {@link #end} must end before the next one.
     *
     * @return what to compute; empty when there is nothing
     */
    public Optional<Step> begin() {
        if (round != null) {
            throw new IllegalStateException("a step has begun and not ended");
        }
        Round begun = loop.begin();
        round = begun;
        return begun.hasRows()
                ? Optional.of(
                        new Step(begun.batch().toTokenBatch(), EngineLoop.isUnwanted(begun), loop.layerListener(begun)))
                : Optional.empty();
    }

    /**
     * Ends the step that was begun.
     *
     * @param logits [batch.logitRows(), vocabulary]; null when there was nothing to compute, or it was given up
     * @return whether the next step is due at once: something was done, and more may be
     */
    public boolean end(@Nullable Matrix logits) {
        Round begun = round;
        if (begun == null) {
            throw new IllegalStateException("no step has begun");
        }
        round = null;
        loop.end(begun, logits);
        return begun.isNews();
    }

    /** When the next step is due at the latest; {@link Long#MAX_VALUE} when nothing waits. */
    public long nextDeadlineNs() {
        return loop.nextDeadlineNs();
    }

    /** Compares blocks with their owners; what is wrong is counted as {@link EngineCounter#INTEGRITY_FAILURES}. Between steps only. */
    public void checkIntegrity() {
        loop.checkIntegrity();
    }

    /** How many ids of requests cannot be used again yet. */
    public int liveIds() {
        return inbox.live();
    }

    /** How many handoffs have begun and not ended. */
    public int handoffs() {
        return connector.map(KvConnector::underWay).orElse(0);
    }

    /** As {@link Engine#status}. */
    public EngineStatus status() {
        return loop.status();
    }
}
