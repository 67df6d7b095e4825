package dev.tandem.transfer;

import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.ProofFrames;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.nio.ByteBuffer;
import java.util.Optional;

/** Whether the client of a data connection has proved that it knows the cluster's secret. Pure; owned by the poller. */
final class SessionProof {
    /** What an input that holds a whole request leads to. */
    sealed interface Outcome {
        /** Goes to the client. */
        record Answer(ByteBuffer frame) implements Outcome {}

        /** It is believed from here on; goes to the client. */
        record Proven(ByteBuffer frame) implements Outcome {}

        /** It is not. */
        record Refused(String why) implements Outcome {}
    }

    private final MutualProof proof;
    private final String peer;
    private Optional<byte[]> theirNonce = Optional.empty();

    SessionProof(ClusterSecret secret, String peer) {
        this.proof = new MutualProof(secret, Wire.DATA, Side.LISTENING);
        this.peer = peer;
    }

    /** Looks at a request of {@link ProofFrames#REQUEST_BYTES} at {@code offset}. */
    Outcome take(ByteBuffer input, int offset) {
        boolean isHello = theirNonce.isEmpty();
        if (!ProofFrames.isRequest(input, offset, isHello ? Opcode.HELLO : Opcode.PROVE)) {
            return new Outcome.Refused(PeerTrust.noProof(Wire.DATA, peer));
        }
        byte[] body = ProofFrames.body(input, offset);
        if (!isHello) {
            byte[] nonce = theirNonce.orElseThrow();
            return proof.accepts(nonce, body)
                    ? new Outcome.Proven(ProofFrames.answer(proof.proof(nonce)))
                    : new Outcome.Refused(PeerTrust.wrongProof(Wire.DATA, peer));
        }
        int version = Math.clamp(RequestHeader.address(input, offset), 0, Integer.MAX_VALUE);
        Optional<String> objection = Wire.DATA.objection(version, true);
        if (objection.isPresent()) {
            return new Outcome.Refused(PeerTrust.noProof(Wire.DATA, peer) + "; " + objection.get());
        }
        theirNonce = Optional.of(body);
        return new Outcome.Answer(ProofFrames.answer(proof.nonce()));
    }
}
