package dev.tandem.preflight.host;

import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.util.HexFormat;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the hello of a barrier says of version and secret, and the two frames behind it where there is a secret. A node of the release
 * before says neither; it is let in where there is no secret.
 *
 * <pre>
 *   node i -> first: {"version": 2, "nonce": hex, "subject": ..., "index": i}
 *   first -> node i: {"version": 2, "nonce": hex}                                 with a secret, else the welcome at once
 *   node i -> first: {"proof": hex}
 *   first -> node i: {"version": 2, "proof": hex}                                 then the welcome
 * </pre>
 */
final class MeetingProof {
    private static final int HEX_CHARS = 2 * MutualProof.NONCE_BYTES;

    private MeetingProof() {}

    /** The first node: looks at a hello, and at what the node shows. Gives why it is refused; empty when it is not. */
    static Optional<String> admit(BarrierConnection node, ObjectNode hello, ClusterSecret secret) throws IOException {
        Optional<String> objection = Wire.MEETING.objection(version(hello), secret.isSet());
        if (objection.isPresent()) {
            return objection.map(why -> Wire.MEETING.label() + ": " + why);
        }
        if (!secret.isSet()) {
            return Optional.empty();
        }
        var proof = new MutualProof(secret, Wire.MEETING, Side.LISTENING);
        Optional<byte[]> nonce = bytes(hello, "nonce");
        if (nonce.isEmpty()) {
            return Optional.of(PeerTrust.noProof(Wire.MEETING, node.peer()));
        }
        node.write(frame().put("nonce", HexFormat.of().formatHex(proof.nonce())));
        Optional<byte[]> shown = bytes(node.read(), "proof");
        if (shown.isEmpty() || !proof.accepts(nonce.get(), shown.get())) {
            return Optional.of(PeerTrust.wrongProof(Wire.MEETING, node.peer()));
        }
        node.write(frame().put("proof", HexFormat.of().formatHex(proof.proof(nonce.get()))));
        return Optional.empty();
    }

    /**
     * Another node: greets and, with a secret, proves that it knows it.
     *
     * @param hello completed and sent
     * @return the first node's welcome, or its refusal
     * @throws HostBarrierException REFUSED when the first node does not know the secret
     */
    static ObjectNode greet(BarrierConnection first, ObjectNode hello, ClusterSecret secret) throws IOException {
        var proof = new MutualProof(secret, Wire.MEETING, Side.CONNECTING);
        hello.put("version", Wire.MEETING.version());
        if (secret.isSet()) {
            hello.put("nonce", HexFormat.of().formatHex(proof.nonce()));
        }
        first.write(hello);
        ObjectNode answer = first.read();
        if (answer.path("refused").isString() || !secret.isSet()) {
            return answer;
        }
        Optional<byte[]> nonce = bytes(answer, "nonce");
        if (nonce.isEmpty()) {
            String versions = Wire.MEETING
                    .objection(version(answer), true)
                    .map(why -> "; " + why)
                    .orElse("");
            throw refused(PeerTrust.noProof(Wire.MEETING, first.peer()) + versions);
        }
        first.write(JsonMapper.shared()
                .createObjectNode()
                .put("proof", HexFormat.of().formatHex(proof.proof(nonce.get()))));
        ObjectNode shown = first.read();
        if (shown.path("refused").isString()) {
            return shown;
        }
        Optional<byte[]> theirs = bytes(shown, "proof");
        if (theirs.isEmpty() || !proof.accepts(nonce.get(), theirs.get())) {
            throw refused(PeerTrust.wrongProof(Wire.MEETING, first.peer()));
        }
        return first.read();
    }

    /** A frame of the first node that says the version. */
    static ObjectNode frame() {
        return JsonMapper.shared().createObjectNode().put("version", Wire.MEETING.version());
    }

    private static int version(ObjectNode frame) {
        return frame.path("version").asInt(1);
    }

    private static Optional<byte[]> bytes(ObjectNode frame, String field) {
        JsonNode hex = frame.path(field);
        return hex.isString() && hex.stringValue().matches("[0-9a-f]{" + HEX_CHARS + "}")
                ? Optional.of(HexFormat.of().parseHex(hex.stringValue()))
                : Optional.empty();
    }

    private static HostBarrierException refused(String why) {
        return new HostBarrierException(HostBarrierException.Kind.REFUSED, why);
    }
}
