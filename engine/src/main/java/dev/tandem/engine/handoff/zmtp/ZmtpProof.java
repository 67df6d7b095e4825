package dev.tandem.engine.handoff.zmtp;

import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Whether one connection's peer may be spoken with: with a cluster secret, two properties of READY and one command of our own, which goes only
 * to peers that have named a nonce. Other peers of ZeroMQ skip the properties and never see the command.
 *
 * <pre>
 *   both        READY          X-Tandem-Version: "2"    X-Tandem-Nonce: 32 bytes, with a secret
 *   dialling    TANDEM-PROOF   32 bytes
 *   listening   TANDEM-PROOF   32 bytes, when the dialling side's is right
 *   either      ERROR          why not, and it closes
 * </pre>
 *
 * <p>Until then no message is taken from a peer that must prove itself; PING is answered. Pure; owned by the connection's owner.
 */
public final class ZmtpProof {
    private static final String VERSION = "X-Tandem-Version";
    private static final String NONCE = "X-Tandem-Nonce";

    private final MutualProof proof;
    private final boolean mustProve;
    private final Side own;
    private final String peer;
    private Optional<byte[]> theirNonce = Optional.empty();
    private boolean isReady;
    private boolean isProven;

    /** @param peer the other end's address */
    public ZmtpProof(PeerTrust trust, InetSocketAddress peer, Side own) {
        this.proof = new MutualProof(trust.secret(), Wire.SIDE_CHANNEL, own);
        this.mustProve = trust.mustProve(peer.getAddress());
        this.own = own;
        this.peer = peer.getAddress().getHostAddress() + ":" + peer.getPort();
    }

    /** What this side's socket is, and what the peer's proof must cover. */
    public byte[] ready(ZmtpSocketType type) {
        var properties = new LinkedHashMap<String, byte[]>();
        properties.put(VERSION, ("" + Wire.SIDE_CHANNEL.version()).getBytes(StandardCharsets.US_ASCII));
        if (proof.canProve()) {
            properties.put(NONCE, proof.nonce());
        }
        return ZmtpFrames.ready(type, properties);
    }

    /**
     * The peer has said READY.
     *
     * @return what is to be written now, if anything
     * @throws ZmtpException UNPROVEN when it can prove nothing and must
     */
    Optional<byte[]> readied(Map<String, byte[]> properties) throws ZmtpException {
        isReady = true;
        theirNonce = Optional.ofNullable(properties.get(NONCE.toLowerCase(Locale.ROOT)))
                .filter(nonce -> nonce.length == MutualProof.NONCE_BYTES);
        if (mustProve && theirNonce.isEmpty()) {
            String versions = Wire.SIDE_CHANNEL
                    .objection(version(properties), true)
                    .map(why -> "; " + why)
                    .orElse("");
            throw new ZmtpException(Kind.UNPROVEN, PeerTrust.noProof(Wire.SIDE_CHANNEL, peer) + versions);
        }
        return own == Side.CONNECTING ? ownProof() : Optional.empty();
    }

    /**
     * The peer has shown a proof.
     *
     * @return what is to be written now, if anything
     * @throws ZmtpException UNPROVEN when it is wrong
     */
    Optional<byte[]> proved(byte[] shown) throws ZmtpException {
        boolean isOurs = theirNonce.isPresent() && proof.accepts(theirNonce.get(), shown);
        if (!isOurs || isProven) {
            throw new ZmtpException(Kind.UNPROVEN, PeerTrust.wrongProof(Wire.SIDE_CHANNEL, peer));
        }
        isProven = true;
        return own == Side.LISTENING ? ownProof() : Optional.empty();
    }

    /** Whether messages may go. */
    boolean isOpen() {
        return isReady && (isProven || !mustProve);
    }

    private Optional<byte[]> ownProof() {
        return proof.canProve() ? theirNonce.map(nonce -> ZmtpFrames.proof(proof.proof(nonce))) : Optional.empty();
    }

    private static int version(Map<String, byte[]> properties) {
        byte[] told = properties.getOrDefault(VERSION.toLowerCase(Locale.ROOT), new byte[0]);
        String digits = new String(told, StandardCharsets.US_ASCII);
        return digits.matches("[0-9]{1,4}") ? Integer.parseInt(digits) : 1;
    }
}
