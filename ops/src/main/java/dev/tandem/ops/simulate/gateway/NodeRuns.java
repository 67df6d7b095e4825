package dev.tandem.ops.simulate.gateway;

import dev.tandem.gateway.fleet.HandoffKind;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** What the model nodes of a simulation have done, to be compared with what clients were told. */
final class NodeRuns {
    /** Where the KV of a decoded prompt came from. */
    enum Origin {
        /** From a prefill node. */
        HANDED_OFF,
        /** The decode node could not get it from a prefill node, and says so. */
        RECOMPUTED,
        /** The same of a foreign node, which does not say so. */
        RECOMPUTED_UNTOLD,
        /** It had it. */
        CACHED,
        /** It was asked to compute it. */
        LOCAL;

        /** Whether a gateway cannot but take it for a handoff. */
        boolean seemsHandedOff() {
            return this == HANDED_OFF || this == RECOMPUTED_UNTOLD;
        }
    }

    private final SplittableRandom random;
    private final HandoffKind kind;
    private final boolean mayGiveUpClients;
    private final List<Origin> origins = new ArrayList<>();
    private boolean areFaultsOver;
    private int expiredLeases;
    private int heldLeases;

    /**
     * @param random what clients draw from while they read
     * @param kind the order of the gateway
     * @param mayGiveUpClients whether the gateway is so short of memory that it may
     */
    NodeRuns(SplittableRandom random, HandoffKind kind, boolean mayGiveUpClients) {
        this.random = random;
        this.mayGiveUpClients = mayGiveUpClients;
        this.kind = kind;
    }

    double chance() {
        return random.nextDouble();
    }

    boolean mayGiveUpClients() {
        return mayGiveUpClients;
    }

    HandoffKind kind() {
        return kind;
    }

    /** Writes a decode node's run down; its number goes into the answer. */
    int add(Origin origin) {
        origins.add(origin);
        return origins.size() - 1;
    }

    Origin origin(int run) {
        return origins.get(run);
    }

    /** How many runs decoded what was handed off, as far as a gateway can know. */
    long seemHandedOff() {
        return origins.stream().filter(Origin::seemsHandedOff).count();
    }

    void faultsAreOver() {
        areFaultsOver = true;
    }

    boolean areFaultsOver() {
        return areFaultsOver;
    }

    void leased() {
        heldLeases++;
    }

    void freed() {
        heldLeases--;
    }

    void expired() {
        freed();
        expiredLeases++;
    }

    /** What prefill nodes lend now. */
    int heldLeases() {
        return heldLeases;
    }

    /** What they lent and nobody told them to free. */
    int expiredLeases() {
        return expiredLeases;
    }
}
