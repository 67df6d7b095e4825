package dev.tandem.engine.handoff;

import dev.tandem.transfer.TransferException;

/** What the handoff tells the engine loop, through {@link Handoff#poll}. */
public sealed interface HandoffEvent {
    /** The request whose blocks or KV this is about, as given to {@link Handoff#lend} or {@link Handoff#fetch}. */
    String requestId();

    /**
     * P: nobody reads the blocks any more and nobody can; they may be reused.
     *
     * @param blockIds as given to {@link Handoff#lend}
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over to the engine loop, never compared
    record LeaseEnded(String requestId, int[] blockIds, Reason reason) implements HandoffEvent {}

    /**
     * D: every byte asked for has arrived.
     *
     * @param bytes KV bytes read; 0 when all of it was cached
     * @param nanos from {@link Handoff#fetch} to the last byte
     */
    record FetchDone(String requestId, long bytes, long nanos) implements HandoffEvent {}

    /** D: the KV was not read, or not all of it; nothing writes into the blocks any more. Their content is undefined. */
    record FetchFailed(String requestId, TransferException cause) implements HandoffEvent {}

    /** Why a lease ended. */
    enum Reason {
        /** The decode node said that it is done. */
        RELEASED,
        /** The deadline passed. */
        EXPIRED,
        /** The engine cancelled it, or the handoff was closed. */
        CANCELLED
    }
}
