package dev.tandem.engine.handoff.push;

import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.plan.PushPlan;
import dev.tandem.engine.handoff.plan.TransferPlan;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One prompt on its way into a decode engine while it is computed. What is stored and what is sent are two token counts per rank and layer,
 * so that however far the wire falls behind the computation, nothing queues up: what was not sent yet goes out later, in longer pieces,
 * from the blocks that stay until all transfers have ended. Owned by the side-channel poller, but for what is stored: that is written by
 * rank threads, each its own counts, and read by the poller, hence the atomics.
 */
final class Push {
    /** A part of one layer that is stored and not sent. */
    record Piece(int tpRank, int layer, TransferPlan.Tokens tokens) {}

    final HandoffTicket target;
    final PromptBlocks prompt;
    private final int layers;
    private final AtomicIntegerArray storedTo; // [tensor ranks * layers] tokens
    private final int[] sentTo; // [tensor ranks * layers] tokens
    private final AtomicBoolean isPumpPosted =
            new AtomicBoolean(); // the poller has been asked to look at what is stored
    private final LongSupplier nanoClock;
    private final long startedNs;

    /** Null until the decode node has told its layout. */
    @Nullable
    PushPlan plan;

    /** Writes under way; the blocks are at rest when there is none. */
    final Set<Transfer> open = new LinkedHashSet<>();

    long writtenBytes;

    /** What the decode node's memory must come to; null until it is known. */
    @Nullable
    List<Integer> sums;

    /** The blocks are being summed; they are at rest only afterwards. */
    boolean isSumming;

    /** Why nothing more is written; the first reason stays. */
    @Nullable
    TransferException failure;

    /** The done message is under way. */
    boolean isAnnounced;

    /** An event has been left. */
    boolean isOver;

    Push(HandoffTicket target, PromptBlocks prompt, int tpSize, int layers, LongSupplier nanoClock) {
        this.target = target;
        this.prompt = prompt;
        this.layers = layers;
        this.nanoClock = nanoClock;
        this.startedNs = nanoClock.getAsLong();
        this.storedTo = new AtomicIntegerArray(tpSize * layers);
        this.sentTo = new int[tpSize * layers];
    }

    String requestId() {
        return prompt.requestId();
    }

    /**
     * Rank threads: everything before {@code token} lies in a rank's pool, in this layer.
     *
     * @return whether the caller is to ask the poller to look; else somebody else has
     */
    boolean stored(int tpRank, int layer, int token) {
        int index = tpRank * layers + layer;
        storedTo.set(index, Math.max(storedTo.get(index), token));
        return isPumpPosted.compareAndSet(false, true);
    }

    /** The poller looks now: what is stored from here on has to be announced again. */
    void look() {
        isPumpPosted.set(false);
    }

    /** Takes the next part to be sent, lower layers first; empty when all that is stored is sent. */
    Optional<Piece> take(int firstToken) {
        for (int layer = 0; layer < layers; layer++) {
            for (int index = layer; index < sentTo.length; index += layers) {
                int from = Math.max(sentTo[index], firstToken);
                int to = storedTo.get(index);
                if (from < to) {
                    sentTo[index] = to;
                    return Optional.of(new Piece(index / layers, layer, new TransferPlan.Tokens(from, to)));
                }
            }
        }
        return Optional.empty();
    }

    /** Whether every layer of the whole prompt was stored on every rank. */
    boolean isStoredWhole() {
        for (int index = 0; index < storedTo.length(); index++) {
            if (storedTo.get(index) < prompt.promptTokens()) {
                return false;
            }
        }
        return true;
    }

    /** Whether all that is stored of the whole prompt has also been sent. */
    boolean isSentWhole(int firstToken) {
        for (int token : sentTo) {
            if (Math.max(token, firstToken) < prompt.promptTokens()) {
                return false;
            }
        }
        return true;
    }

    long elapsedNs() {
        return nanoClock.getAsLong() - startedNs;
    }
}
