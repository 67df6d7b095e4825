package dev.tandem.gateway.fleet;

/**
 * The load that one request has put on one node. Each part is given back exactly once, whatever happens to the request. Owned by the
 * event loop of the request.
 */
public final class LegReservation {
    private final FleetNode node;
    private long tokens;
    private long kv;
    private boolean left;

    LegReservation(FleetNode node, long tokens, long kv) {
        this.node = node;
        this.tokens = tokens;
        this.kv = kv;
    }

    /** The node that bears the load. */
    public FleetNode node() {
        return node;
    }

    /** The node has answered: it computes no more for this request. */
    public void settleTokens() {
        node.giveBackTokens(tokens);
        tokens = 0;
        if (!left) {
            left = true;
            node.left();
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
