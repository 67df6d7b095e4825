package dev.tandem.engine;

import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Sequence;
import java.util.List;

/**
 * What the engine loop asks of the prefill/decode exchange: {@link PeerHandoff} where the node takes part in one, {@link NoHandoff} where
 * it does not. No method blocks; only the engine loop calls them, but for {@link #stored}.
 */
interface HandoffSide extends AutoCloseable {
    /** P: lends the blocks of a finished prompt. @throws EngineException when it cannot; then nothing was lent */
    HandoffTicket lend(Sequence sequence, int lastTokenId, long nowNs);

    /** P: takes a lease back; its blocks come through {@link #poll}. */
    void cancelLease(String requestId);

    /** D: begins to read a prompt's KV into the sequence's blocks. @throws EngineException when it cannot; then nothing was begun */
    void fetch(Sequence sequence, HandoffTicket ticket, long nowNs);

    /** D: has a prompt's KV pushed into the sequence's blocks. @throws EngineException when it cannot; then nothing was begun */
    void receive(Sequence sequence, String metaserver, long nowNs);

    /** P: begins to push a sequence's prompt, none of which the running batch has computed yet. */
    void push(Sequence sequence, HandoffTicket target);

    /** P, on a rank's thread in the middle of a step: one layer of these prompts lies in that rank's pool. */
    void stored(List<PushProgress> prompts, int tpRank, int layer);

    /** P: gives a push up and tells the decode node; the blocks are at rest when its event comes through {@link #poll}. */
    void cancelPush(String requestId, String reason);

    /** P: tells a decode node that what it waits for will not be computed here. */
    void refusePush(String requestId, HandoffTicket target, String reason);

    /** D: gives a fetch or a wait for a push up; its memory is at rest when its event comes through {@link #poll}. */
    void cancelFetch(String requestId);

    /** D: tells P that the KV is not wanted. */
    void decline(String requestId, HandoffTicket ticket);

    /** What happened since the last call; ends leases and fetches whose time is over. */
    List<HandoffEvent> poll(long nowNs);

    /** When {@link #poll} is to be called at the latest; {@link Long#MAX_VALUE} when nothing waits. */
    long nextDeadlineNs();

    /** Returns when nobody touches the pool any more. */
    @Override
    void close();
}
