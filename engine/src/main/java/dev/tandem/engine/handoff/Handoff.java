package dev.tandem.engine.handoff;

import dev.tandem.engine.EngineConfig.HandoffConfig;
import dev.tandem.kv.KvPool;
import java.util.List;

/**
 * One rank's part in the prefill/decode exchange: lends blocks on P, fetches them on D. All methods but {@link #start} and {@link #close}
 * belong to the engine loop and never block; everything that waits happens on the side-channel poller and the transfer engine, which
 * leave events for {@link #poll} and call {@code wakeLoop}.
 */
public final class Handoff implements AutoCloseable {
    private Handoff() {}

    /**
     * Binds the side channel (unless the role is CONSUMER) and the transfer engine.
     *
     * @param wakeLoop called from any thread when {@link #poll} has something; must not block
     */
    public static Handoff start(HandoffConfig config, KvPool pool, Runnable wakeLoop) {
        throw new IllegalStateException("contract only " + config + pool + wakeLoop);
    }

    /** P: lends the blocks of a finished prompt until they are released, cancelled or the lease expires; see {@link HandoffEvent.LeaseEnded}. */
    public HandoffTicket lend(String requestId, int[] blockIds, int lastTokenId, long nowNs) {
        throw new IllegalStateException("contract only " + requestId + blockIds.length + lastTokenId + nowNs);
    }

    /** P: ends a lease at once; the blocks come back through {@link #poll}. An unknown id is ignored: the lease may just have ended. */
    public void cancelLease(String requestId) {
        throw new IllegalStateException("contract only " + requestId);
    }

    /**
     * D: reads a prompt's KV into local blocks; ends in {@link HandoffEvent.FetchDone} or {@link HandoffEvent.FetchFailed}.
     *
     * @param cachedTokens leading tokens, a multiple of the block size, whose KV is here already; not read
     * @param localBlockIds all blocks of the prompt in order, cached ones included
     */
    public void fetch(
            String requestId,
            HandoffTicket ticket,
            int promptTokens,
            int cachedTokens,
            int[] localBlockIds,
            long nowNs) {
        throw new IllegalStateException(
                "contract only " + requestId + ticket + promptTokens + cachedTokens + localBlockIds.length + nowNs);
    }

    /** D: gives a fetch up. Its memory is at rest only when its event arrives. An unknown id is ignored. */
    public void cancelFetch(String requestId) {
        throw new IllegalStateException("contract only " + requestId);
    }

    /** D: refuses or does not need the KV; tells P to free it. */
    public void decline(String requestId, HandoffTicket ticket) {
        throw new IllegalStateException("contract only " + requestId + ticket);
    }

    /** What happened since the last call; expires leases and fetches whose deadline is at or before {@code nowNs}. */
    public List<HandoffEvent> poll(long nowNs) {
        throw new IllegalStateException("contract only " + nowNs);
    }

    /** When {@link #poll} must be called at the latest, on the clock of {@code nowNs}; Long.MAX_VALUE when nothing waits. */
    public long nextDeadlineNs() {
        throw new IllegalStateException("contract only");
    }

    /** Ends leases, cancels fetches, closes sockets; returns when nothing touches the pool any more. */
    @Override
    public void close() {
        throw new IllegalStateException("contract only");
    }
}
