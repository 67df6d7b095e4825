package dev.tandem.trust;

import java.net.InetAddress;

/**
 * Whom a process lets in: with a secret whoever proves that it knows it, and those of the list, who need not; without one everybody.
 *
 * @param secret of the cluster
 * @param foreign addresses of engines that are not Tandem's and cannot prove anything
 */
public record PeerTrust(ClusterSecret secret, AddressList foreign) {
    /** The variable that holds the secret. */
    public static final String TOKEN = "TANDEM_CLUSTER_TOKEN";

    /** The variable that names the secret's file. */
    public static final String TOKEN_FILE = "TANDEM_CLUSTER_TOKEN_FILE";

    /** The variable that lists foreign peers. */
    public static final String FOREIGN_PEERS = "TANDEM_FOREIGN_PEERS";

    /** Everybody, as without a secret. */
    public static PeerTrust everybody() {
        return new PeerTrust(ClusterSecret.none(), AddressList.empty());
    }

    /** Whether a peer at this address must prove that it knows the secret. */
    public boolean mustProve(InetAddress peer) {
        return secret.isSet() && !foreign.contains(peer);
    }

    /** Why a peer is refused that must prove itself and does not. */
    public static String noProof(Wire wire, String peer) {
        return "peer " + peer + " gives no proof of the cluster secret on the " + wire.label() + "; set " + TOKEN
                + " there, or list its address in " + FOREIGN_PEERS + " here";
    }

    /** Why a peer is refused whose proof is wrong. */
    public static String wrongProof(Wire wire, String peer) {
        return "peer " + peer + " knows another cluster secret on the " + wire.label() + "; give both sides the same";
    }
}
