package dev.tandem.engine.handoff;

import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import java.util.List;
import java.util.Optional;

/**
 * How one replica exchanges the KV of prompts with its peers; vLLM calls it KVConnector. Each implementation has two halves, the prefill
 * node's (P) and the decode node's (D): with {@code PullConnector} D reads what P has lent, with {@code LayerwiseConnector} P writes what D
 * has lent. A node that takes part in no exchange has no connector.
 *
 * <p>The contract: no method blocks but {@link #close}. Only the engine loop calls them; what is listened to by {@link #layerListener} is
 * called by rank threads. Whatever is begun here ends in exactly one {@link HandoffEvent}, and when that event comes the memory is at rest:
 * nothing reads or writes the blocks any more. Which roles a request may bring is settled at its admission by {@link RoleAdmission}.
 */
public interface KvConnector extends AutoCloseable {
    /**
     * The sequence has its blocks: D begins to read its prompt's KV or to wait for it, P begins to push what is about to be computed.
     *
     * @param role Fetch, Receive or Push
     * @throws dev.tandem.engine.request.EngineException INVALID when the request's KV is under way already, OVERLOADED when virtual ids run
     *     out, UNAVAILABLE when memory is to be lent and the side channel does not answer; then nothing was begun
     */
    void start(HandoffRole role, PromptBlocks prompt, long nowNs);

    /**
     * P: the whole prompt is computed and its one token is sampled; from here on the blocks belong to the exchange.
     *
     * @return what the client is answered with at once; empty when it is to wait for the push to end
     * @throws dev.tandem.engine.request.EngineException as {@link #start}; then nothing was lent
     */
    Optional<HandoffTicket> finish(PromptBlocks prompt, int lastTokenId, long nowNs);

    /**
     * The listener that is told of each layer of the step that is about to run.
     *
     * @param prompts those whose push has begun and not ended, and how far this step computes them
     */
    LayerListener layerListener(List<PushProgress> prompts);

    /** Gives up whatever is under way for a request. Its event comes when the memory is at rest; an unknown id is ignored. */
    void cancel(String requestId, String reason);

    /** Tells the peer behind a role that nothing comes of what it offered or waits for; where no peer waits, nothing happens. */
    void decline(String requestId, HandoffRole role, String reason);

    /**
     * What happened since the last call; ends leases and transfers whose deadline is at or before {@code nowNs}.
     *
     * @throws dev.tandem.engine.request.EngineException INTERNAL when the side channel or the transfer engine is dead: no event will ever come
     */
    List<HandoffEvent> poll(long nowNs);

    /** How many handoffs were begun here and have not ended in an event that {@link #poll} gave out. */
    int underWay();

    /** When {@link #poll} is to be called at the latest, on the clock of {@code nowNs}; {@link Long#MAX_VALUE} when nothing waits. */
    long nextDeadlineNs();

    /**
     * Ends leases, cancels transfers and tells peers; returns when nothing touches the pools any more. Called when the engine loop has ended.
     *
     * @throws IllegalStateException when transfers of the pools do not end; then the pools must stay
     */
    @Override
    void close();
}
