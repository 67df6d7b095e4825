package dev.tandem.trust;

import java.util.Optional;

/**
 * The connections between processes of a cluster, each with the versions of it that this process speaks. A peer that names no version is of
 * the release before versions were named and speaks 1. Version 1 has no proof, so that a peer that must prove itself needs 2.
 */
public enum Wire {
    /** Head and headless nodes. From 3 on the head says which readers are behind. */
    CLUSTER("cluster frames", 1, 3),
    /** Rows between a rank and the owner of experts. */
    EXPERTS("expert frames", 1, 2),
    /** Where KV lies, and that it has been moved. */
    SIDE_CHANNEL("side channel", 1, 2),
    /** Which regions a transfer engine offers. */
    HANDSHAKE("transfer handshake", 1, 2),
    /** The bytes of KV. Its version is the handshake's, which comes first. */
    DATA("transfer data", 1, 2),
    /** Invitations of a decode node, and the gateway's answers. */
    METASERVER("metaserver", 1, 2),
    /** Barriers of {@code tandem check} and {@code tandem ranktable}. */
    MEETING("meeting", 1, 2);

    private static final int PROVING = 2; // the first version with a proof

    private final String label;
    private final int oldest;
    private final int newest;

    Wire(String label, int oldest, int newest) {
        this.label = label;
        this.oldest = oldest;
        this.newest = newest;
    }

    /** What messages call it. */
    public String label() {
        return label;
    }

    /** What this process says that it speaks. */
    public int version() {
        return newest;
    }

    /** The version that both sides speak, of a peer that speaks {@code theirs} at most. */
    public int common(int theirs) {
        return Math.min(newest, theirs);
    }

    /**
     * Why a peer's version does not do.
     *
     * @param theirs the newest version that the peer speaks; 1 when it says none
     * @param mustProve whether the peer must prove that it knows the cluster's secret
     * @return what is wrong, naming both versions; empty when it does
     */
    public Optional<String> objection(int theirs, boolean mustProve) {
        if (theirs >= least(mustProve)) {
            return Optional.empty();
        }
        return Optional.of("the peer speaks " + theirs + ", this side " + versions(mustProve));
    }

    /** What this side speaks, for messages: {@code 1 to 2}. */
    public String versions(boolean mustProve) {
        int least = least(mustProve);
        return (least == newest ? "" + newest : least + " to " + newest) + (mustProve ? " with a cluster secret" : "");
    }

    private int least(boolean mustProve) {
        return mustProve ? Math.max(PROVING, oldest) : oldest;
    }
}
