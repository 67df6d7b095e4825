package dev.tandem.engine.handoff.lease;

import java.util.Map;
import java.util.TreeMap;

/** The done messages that one lease has got, counted as {@link ReleaseQuorum} says. Owned by the side-channel poller. */
final class ReleaseCounter {
    private final ReleaseQuorum rule;
    private final int[] messages; // [ranks]

    ReleaseCounter(ReleaseQuorum rule) {
        this.rule = rule;
        this.messages = new int[rule.ranks()];
    }

    /**
     * Counts a message in.
     *
     * @param rank whose port got it
     * @param announced messages by rank, as the sender says; empty when it says nothing of this engine
     * @return whether the lease has got all that it gets
     */
    boolean add(int rank, Map<Integer, Integer> announced) {
        messages[rank]++;
        return announced.isEmpty() ? areAllHere() : areAllHere(announced);
    }

    /** Reads that a reader without announcement makes: as many messages come, from as many hosts at most. */
    int expected() {
        return rule.plainMessages();
    }

    private boolean areAllHere() {
        int counted = 0;
        for (int atPort : messages) {
            counted += Math.min(atPort, rule.plainAtOnePort());
        }
        return counted >= rule.plainMessages();
    }

    private boolean areAllHere(Map<Integer, Integer> announced) {
        for (var entry : announced.entrySet()) {
            if (messages[entry.getKey()] < entry.getValue()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public String toString() {
        var atRanks = new TreeMap<Integer, Integer>();
        for (int rank = 0; rank < messages.length; rank++) {
            if (messages[rank] > 0) {
                atRanks.put(rank, messages[rank]);
            }
        }
        return atRanks + " of " + rule.plainMessages();
    }
}
