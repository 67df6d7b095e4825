package dev.tandem.engine.cluster;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The secret that the processes of a deployment share, or its absence. It never travels: each side proves that it knows it by an
 * HMAC-SHA256 over a fresh nonce of each side. Immutable.
 */
public final class SharedToken {
    /** Bytes of a nonce. */
    static final int NONCE_BYTES = 32;

    /** Most bytes of a proof. */
    static final int MAX_PROOF_BYTES = 32;

    private static final String ALGORITHM = "HmacSHA256";

    private final Optional<byte[]> secret;

    private SharedToken(Optional<byte[]> secret) {
        this.secret = secret;
    }

    /** Processes find each other by address alone. */
    public static SharedToken none() {
        return new SharedToken(Optional.empty());
    }

    /** @throws IllegalArgumentException when it is empty */
    public static SharedToken of(String secret) {
        if (secret.isEmpty()) {
            throw new IllegalArgumentException("the cluster token is empty");
        }
        return new SharedToken(Optional.of(secret.getBytes(StandardCharsets.UTF_8)));
    }

    /** Nobody has seen it before. */
    static byte[] freshNonce() {
        var nonce = new byte[NONCE_BYTES];
        new SecureRandom().nextBytes(nonce);
        return nonce;
    }

    boolean isSet() {
        return secret.isPresent();
    }

    /**
     * What shows that this side knows the token; empty when there is none.
     *
     * @param side who shows it, so that a proof cannot be sent back
     */
    byte[] proof(Side side, byte[] listenerNonce, byte[] connectorNonce) {
        if (secret.isEmpty()) {
            return new byte[0];
        }
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(new SecretKeySpec(secret.get(), ALGORITHM));
            mac.update(side.name().getBytes(StandardCharsets.US_ASCII));
            mac.update(listenerNonce);
            return mac.doFinal(connectorNonce);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java has " + ALGORITHM, e);
        }
    }

    /** Whether the other side's proof is right; takes as long whatever is wrong with it. */
    boolean accepts(byte[] proof, Side side, byte[] listenerNonce, byte[] connectorNonce) {
        return MessageDigest.isEqual(proof(side, listenerNonce, connectorNonce), proof);
    }

    /** Of a connection. */
    enum Side {
        LISTENING,
        CONNECTING
    }
}
