package dev.tandem.engine.request;

import dev.tandem.engine.cache.BlockTable;
import dev.tandem.engine.request.TokenEvent.HandoffUsage;
import dev.tandem.engine.request.TokenEvent.Times;
import dev.tandem.engine.request.TokenEvent.Usage;
import java.util.Arrays;
import java.util.Optional;

/**
 * The engine's view of a request: its tokens, how many of them are in the KV cache, its blocks, and its state. The only place where
 * the state changes; a transition that {@link SequenceState#successors} does not name throws. Owned by the engine loop.
 */
public final class Sequence {
    /**
     * What is settled when a sequence enters the engine.
     *
     * @param order of arrival: first come, first served; the largest is the youngest
     * @param seed of its sampling
     * @param submittedNs when the client asked
     * @param deadlineNs when the request as a whole times out
     */
    public record Admission(long order, long seed, long submittedNs, long deadlineNs) {}

    private final Request request;
    private final Admission admission;
    private final TokenQueue stream;
    private final StateCounts counts;
    private final BlockTable blocks = new BlockTable();
    private SequenceState state = SequenceState.WAITING;

    private int[] tokens; // prompt, then output; [>= tokenCount]
    private int tokenCount;
    private int computedTokens;
    private int tokensAtStart; // when it last left WAITING

    private boolean hasStarted; // it left WAITING at least once
    private boolean isAbandoned; // its client is gone, but a transfer still touches its blocks
    private boolean isPushOpen;
    private boolean mayFetch;
    private int cachedTokens;
    private HandoffUsage handoff = HandoffUsage.NONE;
    private long waitDeadlineNs;
    private long startedNs;
    private long firstTokenNs;
    private long lastTokenNs;

    /** @param counts of the engine; this sequence is counted in it from now on */
    public Sequence(Request request, Admission admission, TokenQueue stream, StateCounts counts) {
        this.request = request;
        this.admission = admission;
        this.stream = stream;
        this.counts = counts;
        this.tokens = Arrays.copyOf(request.promptTokenIds(), request.promptTokenIds().length + 16);
        this.tokenCount = request.promptTokenIds().length;
        this.mayFetch =
                request.handoff() instanceof HandoffRole.Fetch || request.handoff() instanceof HandoffRole.Receive;
        this.waitDeadlineNs = admission.deadlineNs();
        counts.enter(state);
    }

    public String id() {
        return request.id();
    }

    public Request request() {
        return request;
    }

    public Admission admission() {
        return admission;
    }

    public TokenQueue stream() {
        return stream;
    }

    public BlockTable blocks() {
        return blocks;
    }

    public SequenceState state() {
        return state;
    }

    /** Prompt, then output; more room than {@link #tokenCount}; callers must not write to it. */
    public int[] tokens() {
        return tokens;
    }

    public int tokenCount() {
        return tokenCount;
    }

    public int promptTokens() {
        return request.promptTokenIds().length;
    }

    public int outputTokens() {
        return tokenCount - promptTokens();
    }

    /** Leading tokens whose keys and values are complete in the pool. */
    public int computedTokens() {
        return computedTokens;
    }

    /** Tokens still to be computed before the next one can be sampled; at least 1. */
    public int pendingTokens() {
        return tokenCount - computedTokens;
    }

    /** Prefill node: one token, then its blocks belong to the exchange. */
    public boolean isPrefillOnly() {
        return request.handoff() instanceof HandoffRole.Lend || request.handoff() instanceof HandoffRole.Push;
    }

    /** Decode node: its prompt is written here by a prefill node, which may have to compute it first. */
    public boolean isReceiver() {
        return request.handoff() instanceof HandoffRole.Receive;
    }

    /** A push of its prompt has begun and not ended. */
    public boolean isPushOpen() {
        return isPushOpen;
    }

    /** Transfers touch its blocks: they stay until the transfer's event. */
    public boolean isPinned() {
        return state == SequenceState.AWAITING_KV || isPushOpen;
    }

    /** A ticket or a metaserver came with it and has not been tried yet. */
    public boolean mayFetch() {
        return mayFetch;
    }

    /** It left the waiting queue at least once. */
    public boolean hasStarted() {
        return hasStarted;
    }

    /**
     * It has generated as many tokens since it last started as it had then, and at least {@code fewest}: each of its turns is twice as long
     * as the last, so that what is computed again is no more than what was generated.
     */
    public boolean hasHadItsTurn(int fewest) {
        return tokensOfTurn() >= Math.max(fewest, tokensAtStart);
    }

    /** Tokens that it has generated since it last started. */
    public int tokensOfTurn() {
        return tokenCount - tokensAtStart;
    }

    /** Its stream has ended, but a transfer may still write to its blocks. */
    public boolean isAbandoned() {
        return isAbandoned;
    }

    /** Prompt tokens that this node's prefix cache had when the sequence first started. */
    public int cachedTokens() {
        return cachedTokens;
    }

    /** When its present wait ends at the latest; every state but FINISHED has one. */
    public long waitDeadlineNs() {
        return waitDeadlineNs;
    }

    /** WAITING to PREFILLING; its table is filled, the first {@code cachedTokens} positions are already computed. */
    public void startPrefill(int cachedTokens, long nowNs) {
        move(SequenceState.PREFILLING);
        start(cachedTokens, nowNs);
        computedTokens = cachedTokens;
    }

    /** WAITING to AWAITING_KV; its table holds blocks for the whole prompt. */
    public void awaitKv(int cachedTokens, long nowNs, long fetchDeadlineNs) {
        move(SequenceState.AWAITING_KV);
        start(cachedTokens, nowNs);
        computedTokens = cachedTokens;
        mayFetch = false;
        waitDeadlineNs = Math.min(fetchDeadlineNs, admission.deadlineNs());
    }

    /** A push of its prompt has begun. */
    public void beginPush() {
        isPushOpen = true;
    }

    /** The event of its push has come: nothing reads its blocks any more. */
    public void endPush() {
        isPushOpen = false;
    }

    /** PREFILLING to PUSHING with its only token. */
    public void awaitPush(int tokenId, long nowNs, long pushDeadlineNs) {
        move(SequenceState.PUSHING);
        addToken(tokenId, nowNs);
        waitDeadlineNs = Math.min(pushDeadlineNs, admission.deadlineNs());
    }

    /** The transfer has been told to stop and its event is awaited; only the request's own deadline is left. */
    public void awaitCancelledTransfer() {
        waitDeadlineNs = admission.deadlineNs();
    }

    /** AWAITING_KV to DECODING: everything but the last prompt position is there; that one is computed here. */
    public void kvArrived(long bytes, long nanos) {
        move(SequenceState.DECODING);
        int computedHere = 1;
        handoff = new HandoffUsage(promptTokens() - computedHere - cachedTokens, bytes, nanos, Optional.empty());
        computedTokens = promptTokens() - computedHere;
        waitDeadlineNs = admission.deadlineNs();
    }

    /** AWAITING_KV to PREFILLING: nothing that the transfer may have written is used. */
    public void kvLost(String reason) {
        move(SequenceState.PREFILLING);
        handoff = new HandoffUsage(0, 0, 0, Optional.of(reason));
        computedTokens = cachedTokens;
        waitDeadlineNs = admission.deadlineNs();
    }

    /** The ticket is not needed: all that it offers is cached here. */
    public void declineTicket() {
        mayFetch = false;
    }

    /** The next {@code rows} tokens have been computed. */
    public void advance(int rows) {
        computedTokens += rows;
        if (computedTokens > tokenCount) {
            throw new IllegalStateException("sequence " + id() + " computed " + computedTokens + " of " + tokenCount);
        }
    }

    /** Adds a sampled token; PREFILLING becomes DECODING. */
    public void append(int tokenId, long nowNs) {
        if (computedTokens != tokenCount) {
            throw new IllegalStateException(
                    "sequence " + id() + " sampled with " + computedTokens + " of " + tokenCount + " tokens computed");
        }
        if (state == SequenceState.PREFILLING) {
            move(SequenceState.DECODING);
        } else if (state != SequenceState.DECODING) {
            throw new IllegalStateException("sequence " + id() + " cannot take a token while " + state);
        }
        addToken(tokenId, nowNs);
    }

    /** PREFILLING to LENT with its only token; the blocks hold the whole prompt. */
    public void lend(int tokenId, long nowNs, long leaseDeadlineNs) {
        move(SequenceState.LENT);
        addToken(tokenId, nowNs);
        waitDeadlineNs = leaseDeadlineNs;
    }

    /** Back to WAITING; its blocks have been taken away and everything is to be computed again. */
    public void preempt() {
        move(SequenceState.WAITING);
        computedTokens = 0;
    }

    /** Its client is gone; blocks stay until the transfer's event, and nothing is computed any more. */
    public void abandon() {
        if (!isPinned()) {
            throw new IllegalStateException("sequence " + id() + " is " + state + ", and no transfer touches it");
        }
        if (state == SequenceState.PREFILLING) {
            move(SequenceState.PUSHING);
        }
        isAbandoned = true;
        waitDeadlineNs = Long.MAX_VALUE; // the transfer's own deadline bounds this wait
    }

    /** To FINISHED; its blocks have been given back. */
    public void finish() {
        move(SequenceState.FINISHED);
    }

    /** Counts and times so far. */
    public Usage usage(long nowNs) {
        long started = hasStarted ? startedNs : nowNs;
        long prefill = outputTokens() > 0 ? firstTokenNs - startedNs : nowNs - started;
        long decode = outputTokens() > 0 ? lastTokenNs - firstTokenNs : 0;
        var times = new Times(started - admission.submittedNs(), prefill, decode);
        return new Usage(promptTokens(), outputTokens(), cachedTokens, handoff, times);
    }

    private void start(int cached, long nowNs) {
        tokensAtStart = tokenCount;
        if (!hasStarted) {
            hasStarted = true;
            startedNs = nowNs;
            cachedTokens = cached;
        }
    }

    private void addToken(int tokenId, long nowNs) {
        if (tokenCount == tokens.length) {
            tokens = Arrays.copyOf(tokens, tokens.length * 2);
        }
        if (outputTokens() == 0) {
            firstTokenNs = nowNs;
        }
        tokens[tokenCount++] = tokenId;
        lastTokenNs = nowNs;
    }

    private void move(SequenceState next) {
        if (!state.successors().contains(next)) {
            throw new IllegalStateException("sequence " + id() + " cannot go from " + state + " to " + next);
        }
        counts.leave(state);
        state = next;
        counts.enter(state);
    }
}
