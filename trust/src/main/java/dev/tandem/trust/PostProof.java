package dev.tandem.trust;

import dev.tandem.trust.MutualProof.Side;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * The proofs of one HTTP request and its answer, in headers: for a body that holds something fresh that the server has drawn, as the post to
 * a metaserver holds the id that the gateway gave. The body's digest stands for the server's nonce in {@link MutualProof}, so that neither
 * body nor proof serves again elsewhere; the server remembers the client's nonces for as long as it waits for the same id.
 *
 * <pre>
 *   request   X-Tandem-Version: 2    X-Tandem-Nonce: 64 hex digits    X-Tandem-Proof: 64 hex digits
 *   answer    X-Tandem-Version: 2                                     X-Tandem-Proof: 64 hex digits
 * </pre>
 */
public final class PostProof {
    private static final String VERSION = "X-Tandem-Version";
    private static final String NONCE = "X-Tandem-Nonce";
    private static final String PROOF = "X-Tandem-Proof";
    private static final int HEX_CHARS = 2 * MutualProof.NONCE_BYTES;

    /**
     * What a server makes of a request.
     *
     * @param objection why it is refused; empty when it is believed
     * @param nonce of the client, as it stands in the header
     * @param headers of the answer
     */
    public record Verdict(Optional<String> objection, String nonce, Map<String, String> headers) {
        private static Verdict refused(String why) {
            return new Verdict(Optional.of(why), "", Map.of(VERSION, "" + Wire.METASERVER.version()));
        }
    }

    private final MutualProof proof;
    private final byte[] digest;

    /** The client's side of one request. */
    public PostProof(ClusterSecret secret, byte[] body) {
        this.digest = digest(body);
        this.proof = new MutualProof(secret, Wire.METASERVER, Side.CONNECTING);
    }

    /** Headers of the request; the version alone without a secret. */
    public Map<String, String> headers() {
        var headers = new LinkedHashMap<String, String>();
        headers.put(VERSION, "" + Wire.METASERVER.version());
        if (proof.canProve()) {
            headers.put(NONCE, HexFormat.of().formatHex(proof.nonce()));
            headers.put(PROOF, HexFormat.of().formatHex(proof.proof(digest)));
        }
        return headers;
    }

    /**
     * Why an answer is not believed.
     *
     * @param header gives a header of the answer
     * @param peer who gave it
     */
    public Optional<String> objection(Function<String, Optional<String>> header, String peer) {
        Optional<byte[]> shown = header.apply(PROOF).flatMap(PostProof::bytes);
        if (shown.isEmpty()) {
            return Optional.of(PeerTrust.noProof(Wire.METASERVER, peer) + versions(header));
        }
        return proof.accepts(digest, shown.get())
                ? Optional.empty()
                : Optional.of(PeerTrust.wrongProof(Wire.METASERVER, peer));
    }

    /**
     * The server's side: looks at a request and makes the proof for its answer.
     *
     * @param header gives a header of the request
     * @param peer who sent it
     */
    public static Verdict verdict(
            ClusterSecret secret, byte[] body, Function<String, Optional<String>> header, String peer) {
        Optional<byte[]> nonce = header.apply(NONCE).flatMap(PostProof::bytes);
        Optional<byte[]> shown = header.apply(PROOF).flatMap(PostProof::bytes);
        if (nonce.isEmpty() || shown.isEmpty()) {
            return Verdict.refused(PeerTrust.noProof(Wire.METASERVER, peer) + versions(header));
        }
        var proof = new MutualProof(secret, Wire.METASERVER, Side.LISTENING, digest(body));
        if (!proof.accepts(nonce.get(), shown.get())) {
            return Verdict.refused(PeerTrust.wrongProof(Wire.METASERVER, peer));
        }
        var headers = new LinkedHashMap<String, String>();
        headers.put(VERSION, "" + Wire.METASERVER.version());
        headers.put(PROOF, HexFormat.of().formatHex(proof.proof(nonce.get())));
        return new Verdict(Optional.empty(), HexFormat.of().formatHex(nonce.get()), headers);
    }

    /** Both versions, where the peer's is too old. */
    private static String versions(Function<String, Optional<String>> header) {
        int theirs = header.apply(VERSION)
                .filter(text -> text.matches("[0-9]{1,4}"))
                .map(Integer::valueOf)
                .orElse(1);
        return Wire.METASERVER.objection(theirs, true).map(each -> "; " + each).orElse("");
    }

    private static Optional<byte[]> bytes(String hex) {
        return hex.matches("[0-9a-f]{" + HEX_CHARS + "}")
                ? Optional.of(HexFormat.of().parseHex(hex))
                : Optional.empty();
    }

    private static byte[] digest(byte[] body) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(body);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
