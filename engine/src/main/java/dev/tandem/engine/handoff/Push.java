package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One prompt on its way into a decode engine while it is computed. What is stored and what is sent are two token counts for each rank and
 * layer, so that however far the wire falls behind the computation, nothing queues up: what was not sent yet goes out later, in longer
 * pieces, from the blocks that stay until all has come to rest. Owned by the side-channel poller, the order by nobody.
 */
final class Push {
    /**
     * What is written.
     *
     * @param target the decode node's blocks, under its virtual ids
     * @param blockIds all blocks of the prompt here in order, the same on all ranks
     */
    record Order(String requestId, HandoffTicket target, int promptTokens, List<Integer> blockIds) {}

    /** A part of one layer that is stored and not sent. */
    record Piece(int tpRank, int layer, TransferPlan.Tokens tokens) {}

    private final Order order;
    private final int[][] storedTo; // [tensor ranks, layers] tokens
    private final int[][] sentTo; // [tensor ranks, layers] tokens
    private final long startedNs = System.nanoTime();

    /** Null until the decode node has told its layout. */
    @Nullable
    PushPlan plan;

    /** Writes under way; the blocks are at rest when there is none. */
    final Set<Transfer> open = new HashSet<>();

    long writtenBytes;

    /** Why nothing more is written; the first reason stays. */
    @Nullable
    TransferException failure;

    /** The done message is under way. */
    boolean isAnnounced;

    /** An event has been left. */
    boolean isOver;

    Push(Order order, int tpSize, int layers) {
        this.order = order;
        this.storedTo = new int[tpSize][layers];
        this.sentTo = new int[tpSize][layers];
    }

    Order order() {
        return order;
    }

    String requestId() {
        return order.requestId();
    }

    /** Everything before {@code token} lies in a rank's pool, in this layer. */
    void stored(int tpRank, int layer, int token) {
        storedTo[tpRank][layer] = Math.max(storedTo[tpRank][layer], token);
    }

    /** Takes the next part to be sent, lower layers first; empty when all that is stored is sent. */
    Optional<Piece> take(int firstToken) {
        for (int layer = 0; layer < storedTo[0].length; layer++) {
            for (int tpRank = 0; tpRank < storedTo.length; tpRank++) {
                int from = Math.max(sentTo[tpRank][layer], firstToken);
                int to = storedTo[tpRank][layer];
                if (from < to) {
                    sentTo[tpRank][layer] = to;
                    return Optional.of(new Piece(tpRank, layer, new TransferPlan.Tokens(from, to)));
                }
            }
        }
        return Optional.empty();
    }

    /** Whether every layer of the whole prompt was stored on every rank. */
    boolean isStoredWhole() {
        for (int[] layers : storedTo) {
            for (int token : layers) {
                if (token < order.promptTokens()) {
                    return false;
                }
            }
        }
        return true;
    }

    long elapsedNanos() {
        return System.nanoTime() - startedNs;
    }
}
