package dev.tandem.engine.handoff;

import dev.tandem.transfer.TransferException;

/** What a connector tells the engine loop, through {@link KvConnector#poll}. */
public sealed interface HandoffEvent {
    /** The request whose blocks or KV this is about, as given to {@link KvConnector}. */
    String requestId();

    /**
     * P: nobody reads the blocks any more and nobody can; they may be reused.
     *
     * @param blockIds that were lent
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over to the engine loop, never compared
    record LeaseEnded(String requestId, int[] blockIds, Reason reason) implements HandoffEvent {}

    /**
     * D: every byte asked for has arrived, whether it was read from here or pushed from there.
     *
     * @param bytes KV bytes that came; 0 when all of it was cached
     * @param nanos from {@link KvConnector#start} to the last byte
     */
    record FetchDone(String requestId, long bytes, long nanos) implements HandoffEvent {}

    /** D: the KV did not come, or not all of it; nothing writes into the blocks any more. Their content is undefined. */
    record FetchFailed(String requestId, TransferException cause) implements HandoffEvent {}

    /**
     * P: the decode node has the whole prompt and said so; nothing reads the blocks any more.
     *
     * @param bytes KV bytes written; the decode node's cached prefix is not among them
     * @param nanos from {@link KvConnector#start} to the decode node's acknowledgement
     */
    record PushDone(String requestId, long bytes, long nanos) implements HandoffEvent {}

    /** P: the prompt was not written, or not all of it; the decode node was told, and nothing reads the blocks any more. */
    record PushFailed(String requestId, TransferException cause) implements HandoffEvent {}

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
