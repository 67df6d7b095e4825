package dev.tandem.ops.simulate.gateway;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** What the model nodes of a simulation have done, to be compared with what clients were told. */
final class NodeRuns {
    /** Where the KV of a decoded prompt came from. */
    enum Origin {
        /** From a prefill node. */
        HANDED_OFF,
        /** The decode node could not get it from a prefill node. */
        RECOMPUTED,
        /** It had it. */
        CACHED,
        /** It was asked to compute it. */
        LOCAL
    }

    private final SplittableRandom random;
    private final boolean areNodesFrank;
    private final boolean mayGiveUpClients;
    private final List<Origin> origins = new ArrayList<>();
    private boolean areFaultsOver;
    private int expiredLeases;
    private int heldLeases;

    /**
     * @param random what clients draw from while they read
     * @param areNodesFrank whether every decode node says what it had to compute itself
     * @param mayGiveUpClients whether the gateway is so short of memory that it may
     */
    NodeRuns(SplittableRandom random, boolean areNodesFrank, boolean mayGiveUpClients) {
        this.random = random;
        this.mayGiveUpClients = mayGiveUpClients;
        this.areNodesFrank = areNodesFrank;
    }

    double chance() {
        return random.nextDouble();
    }

    boolean mayGiveUpClients() {
        return mayGiveUpClients;
    }

    boolean areNodesFrank() {
        return areNodesFrank;
    }

    /** Writes a decode node's run down; its number goes into the answer. */
    int add(Origin origin) {
        origins.add(origin);
        return origins.size() - 1;
    }

    Origin origin(int run) {
        return origins.get(run);
    }

    /** How many runs decoded what was handed off. */
    long handedOff() {
        return origins.stream().filter(Origin.HANDED_OFF::equals).count();
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
