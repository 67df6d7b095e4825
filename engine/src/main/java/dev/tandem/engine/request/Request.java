package dev.tandem.engine.request;

import java.time.Duration;

/**
 * One prompt to be continued, already tokenised.
 *
 * @param id as vLLM forms it: {@code cmpl-<X-Request-Id>-<index>} or {@code chatcmpl-<X-Request-Id>}; unique among live requests
 * @param promptTokenIds at least one
 * @param sampling how to continue
 * @param handoff this node's part in a prefill/decode exchange
 * @param deadline for the whole request, from submission
 * @param client who asks
 */
@SuppressWarnings("ArrayRecordComponent") // owned by the request, never compared
public record Request(
        String id,
        int[] promptTokenIds,
        SamplingOptions sampling,
        HandoffRole handoff,
        Duration deadline,
        ClientId client) {
    /** A request of nobody in particular. */
    public Request(String id, int[] promptTokenIds, SamplingOptions sampling, HandoffRole handoff, Duration deadline) {
        this(id, promptTokenIds, sampling, handoff, deadline, ClientId.NONE);
    }
}
