package dev.tandem.gateway.fleet;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The load that one request has put on one node. Each part is given back exactly once, whatever happens to the request; until the node has
 * answered it hears when the node is found to hang. Owned by the event loop of the request.
 */
public final class LegReservation {
    private final FleetNode node;
    private final long number;
    private long tokens;
    private long kv;
    private boolean left;
    /** Set by the event loop, read by the node's prober. */
    private volatile @Nullable Consumer<String> whenHung;

    LegReservation(FleetNode node, long tokens, long kv, long number) {
        this.node = node;
        this.number = number;
        this.tokens = tokens;
        this.kv = kv;
    }

    /** How many the node had been given before, and this one. */
    long number() {
        return number;
    }

    /** The node that bears the load. */
    public FleetNode node() {
        return node;
    }

    /** Sets what is done when the node is found to hang, which a thread of the prober tells, perhaps at once, with the cause. */
    public void watch(Consumer<String> action) {
        whenHung = action;
        if (node.isHung()) {
            action.accept(node.verdict().cause());
        }
    }

    void hung(String cause) {
        Consumer<String> action = whenHung;
        if (action != null) {
            action.accept(cause);
        }
    }

    /** The node has answered: it computes no more for this request. */
    public void settleTokens() {
        node.giveBackTokens(tokens);
        tokens = 0;
        if (!left) {
            left = true;
            node.left(this);
        }
    }

    /** The node's blocks of this request are free, or will be soon. */
    public void settleKv() {
        node.giveBackKv(kv);
        kv = 0;
    }

    /** Gives back everything that has not been given back. */
    public void settle() {
        settleTokens();
        settleKv();
    }
}
