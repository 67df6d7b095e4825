package dev.tandem.trust;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.List;
import javax.crypto.spec.SecretKeySpec;

/**
 * One side of one connection that proves that it knows the cluster's secret, and looks whether the other side does. Both sides draw a fresh
 * nonce, so that no proof fits a second connection; the MAC covers wire and side, so that none can be sent back or used elsewhere.
 *
 * <pre>
 *   proof = HMAC-SHA256(secret, "tandem proof" 0 wire 0 side 0 listening nonce (32 bytes) connecting nonce (32 bytes))
 * </pre>
 *
 * <p>Whoever connects proves first, so that no stranger who connects is given a proof to guess the secret by, and the listening side answers
 * with the secret that the other has shown to know. Owned by whoever owns the connection. It authenticates the ends of a connection when it begins; what follows is neither encrypted nor
 * signed.
 */
public final class MutualProof {
    /** Bytes of a nonce. */
    public static final int NONCE_BYTES = 32;

    /** Bytes of a proof. */
    public static final int PROOF_BYTES = ClusterSecret.MAC_BYTES;

    private static final SecureRandom RANDOM = new SecureRandom();

    /** Of a connection. */
    public enum Side {
        LISTENING,
        CONNECTING;

        private Side other() {
            return this == LISTENING ? CONNECTING : LISTENING;
        }
    }

    private final List<SecretKeySpec> keys; // as they are when the connection begins
    private final Wire wire;
    private final Side own;
    private final byte[] nonce;
    private int spoken; // which key the other side has shown to know, else the first

    /** @param secret that both sides must know; may be none, then no proof can be given and none is accepted */
    public MutualProof(ClusterSecret secret, Wire wire, Side own) {
        this(secret, wire, own, new byte[NONCE_BYTES]);
        if (canProve()) {
            RANDOM.nextBytes(nonce);
        }
    }

    /** @param nonce that the other side knows already, and that is fresh */
    MutualProof(ClusterSecret secret, Wire wire, Side own, byte[] nonce) {
        this.keys = secret.current();
        this.wire = wire;
        this.own = own;
        this.nonce = nonce;
    }

    /** What the other side must work into its proof. */
    public byte[] nonce() {
        return nonce.clone();
    }

    /** Whether this side knows a secret. */
    public boolean canProve() {
        return !keys.isEmpty();
    }

    /** What shows that this side knows the secret; empty when there is none. */
    public byte[] proof(byte[] theirNonce) {
        return keys.isEmpty() ? new byte[0] : mac(keys.get(spoken), own, theirNonce);
    }

    /** Whether the other side has shown that it knows the secret; takes as long whatever is wrong with it. */
    public boolean accepts(byte[] theirNonce, byte[] theirProof) {
        if (theirNonce.length != NONCE_BYTES || MessageDigest.isEqual(theirNonce, nonce)) {
            return false;
        }
        boolean isAccepted = false;
        for (int key = 0; key < keys.size(); key++) {
            if (MessageDigest.isEqual(mac(keys.get(key), own.other(), theirNonce), theirProof)) {
                spoken = key;
                isAccepted = true;
            }
        }
        return isAccepted;
    }

    private byte[] mac(SecretKeySpec key, Side side, byte[] theirNonce) {
        byte[] label = ("tandem proof\0" + wire.name() + "\0" + side.name() + "\0").getBytes(StandardCharsets.US_ASCII);
        return own == Side.LISTENING
                ? ClusterSecret.mac(key, label, nonce, theirNonce)
                : ClusterSecret.mac(key, label, theirNonce, nonce);
    }
}
