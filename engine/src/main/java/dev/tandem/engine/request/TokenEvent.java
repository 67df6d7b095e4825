package dev.tandem.engine.request;

import dev.tandem.engine.request.SamplingOptions.TokenLogprobs;
import java.util.Optional;
import java.util.OptionalInt;

/** What a token stream carries, in order: tokens, then exactly one {@link Finished} or {@link Failed}. */
public sealed interface TokenEvent {
    /** One generated token. */
    record Token(int id, Optional<TokenLogprobs> logprobs) implements TokenEvent {}

    /**
     * The end.
     *
     * @param reason why
     * @param stopTokenId the id of {@code stop_token_ids} that ended it
     * @param usage counts and times
     * @param ticket on a prefill node that lent its blocks
     */
    record Finished(FinishReason reason, OptionalInt stopTokenId, Usage usage, Optional<HandoffTicket> ticket)
            implements TokenEvent {}

    /** The request failed; nothing follows. */
    record Failed(EngineException cause) implements TokenEvent {}

    /** OpenAI's finish reasons. */
    enum FinishReason {
        STOP,
        LENGTH,
        ABORT
    }

    /**
     * Counts and times of one request.
     *
     * @param promptTokens tokens of the prompt
     * @param outputTokens tokens generated
     * @param cachedTokens prompt tokens found in this node's prefix cache
     * @param handoff what was fetched from another node
     * @param times nanoseconds
     */
    record Usage(int promptTokens, int outputTokens, int cachedTokens, HandoffUsage handoff, Times times) {}

    /**
     * @param remoteTokens prompt tokens whose KV came from the prefill node; 0 when it was computed here
     * @param bytes bytes read
     * @param nanos time of the read
     * @param recomputeReason why the prompt was computed here although a ticket came with it
     */
    record HandoffUsage(int remoteTokens, long bytes, long nanos, Optional<String> recomputeReason) {
        public static final HandoffUsage NONE = new HandoffUsage(0, 0, 0, Optional.empty());
    }

    /**
     * @param queuedNs from submission to the first chunk
     * @param prefillNs from the first chunk (or the start of the fetch) to the first token
     * @param decodeNs from the first token to the last
     */
    record Times(long queuedNs, long prefillNs, long decodeNs) {}
}
