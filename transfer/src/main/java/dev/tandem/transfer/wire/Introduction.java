package dev.tandem.transfer.wire;

import java.util.HexFormat;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What Tandem peers tell each other beside the descriptor: the object under {@code tandem} in Metadata messages, which Mooncake ignores.
 *
 * <pre>
 *   {"tandem":{"version":2,"nonce":"64 hex digits","proof":"64 hex digits","refused":"why"}, ...}
 * </pre>
 *
 * @param version newest version of the handshake that the peer speaks: 0 for a peer that is not Tandem's, 1 for one that names none
 * @param nonce what the other side's proof must cover; empty where none is asked for
 * @param proof that the peer knows the cluster's secret; empty where it gives none
 * @param refusal why the peer lets nobody in; empty where it does
 */
@SuppressWarnings("ArrayRecordComponent") // a message, never compared
public record Introduction(int version, byte[] nonce, byte[] proof, String refusal) {
    private static final String KEY = "tandem";
    private static final int MAX_HEX = 128;
    private static final int MAX_REFUSAL = 1024;
    private static final byte[] NOTHING = {};
    private static final Introduction FOREIGN = new Introduction(0, NOTHING, NOTHING, "");

    /** Just the version. */
    public static Introduction of(int version) {
        return new Introduction(version, NOTHING, NOTHING, "");
    }

    public static Introduction refused(int version, String why) {
        return new Introduction(version, NOTHING, NOTHING, why.substring(0, Math.min(MAX_REFUSAL, why.length())));
    }

    public Introduction withNonce(byte[] fresh) {
        return new Introduction(version, fresh, proof, refusal);
    }

    public Introduction withProof(byte[] shown) {
        return new Introduction(version, nonce, shown, refusal);
    }

    /** Whether the peer is Tandem's. */
    public boolean isTandem() {
        return version > 0;
    }

    /** Reads a Metadata message of whatever peer; what is not an introduction counts as a foreign peer's. */
    public static Introduction parse(String json) {
        try {
            JsonNode own = JsonMapper.shared().readTree(json).path(KEY);
            if (!own.isObject()) {
                return FOREIGN;
            }
            String refusal = own.path("refused").asString("");
            return new Introduction(
                    Math.max(1, own.path("version").asInt(1)),
                    bytes(own.path("nonce")),
                    bytes(own.path("proof")),
                    refusal.substring(0, Math.min(MAX_REFUSAL, refusal.length()))
                            .replaceAll("\\p{Cc}", "?"));
        } catch (JacksonException | IllegalArgumentException e) {
            return FOREIGN;
        }
    }

    /** A message with nothing else in it. */
    public String toJson() {
        ObjectNode root = JsonMapper.shared().createObjectNode();
        addTo(root.putObject(KEY));
        return JsonMapper.shared().writeValueAsString(root) + "\n";
    }

    void addTo(ObjectNode own) {
        own.put("version", version);
        text(nonce).ifPresent(hex -> own.put("nonce", hex));
        text(proof).ifPresent(hex -> own.put("proof", hex));
        if (!refusal.isEmpty()) {
            own.put("refused", refusal);
        }
    }

    private static Optional<String> text(byte[] bytes) {
        return bytes.length == 0 ? Optional.empty() : Optional.of(HexFormat.of().formatHex(bytes));
    }

    private static byte[] bytes(JsonNode node) {
        String hex = node.asString("");
        return hex.length() > MAX_HEX ? NOTHING : HexFormat.of().parseHex(hex);
    }
}
