package dev.tandem.engine.request;

import java.util.EnumSet;
import java.util.Set;

/** Where a sequence stands. Only {@link Sequence} moves from one state to another. */
public enum SequenceState {
    /** Holds no blocks; waits for its turn, until the request's deadline. */
    WAITING,
    /** Its prompt (after a preemption: its prompt and output) is being computed, chunk by chunk. */
    PREFILLING,
    /** Answered with a ticket; its blocks wait for a decode node until the lease ends. */
    LENT,
    /** Prefilled; its blocks are still being written into a decode node's memory, until that node has all or the wait ends. */
    PUSHING,
    /** Its blocks are being filled from or by a prefill node, until the fetch deadline. */
    AWAITING_KV,
    /** One token per step. */
    DECODING,
    /** Holds nothing. */
    FINISHED;

    /** States that may follow. */
    public Set<SequenceState> successors() {
        return switch (this) {
            case WAITING -> EnumSet.of(PREFILLING, AWAITING_KV, FINISHED);
            case PREFILLING -> EnumSet.of(DECODING, LENT, PUSHING, WAITING, FINISHED);
            case AWAITING_KV -> EnumSet.of(DECODING, PREFILLING, FINISHED);
            case DECODING -> EnumSet.of(WAITING, FINISHED);
            case LENT, PUSHING -> EnumSet.of(FINISHED);
            case FINISHED -> EnumSet.noneOf(SequenceState.class);
        };
    }
}
