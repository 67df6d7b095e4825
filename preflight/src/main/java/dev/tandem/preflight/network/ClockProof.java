package dev.tandem.preflight.network;

import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.Socket;
import java.util.Arrays;

/**
 * How a connection to a check's clock begins where there is a secret; its version is that of the meeting, which comes first.
 *
 * <pre>
 *   caller: | nonce, 32 bytes |     server: | nonce, 32 bytes | proof, 32 bytes |     caller: | proof, 32 bytes |
 * </pre>
 */
final class ClockProof {
    private static final int NONCE = MutualProof.NONCE_BYTES;

    private ClockProof() {}

    /** @throws IOException when the caller does not know the secret */
    static void serve(Socket caller, ClusterSecret secret) throws IOException {
        if (!secret.isSet()) {
            return;
        }
        var proof = new MutualProof(secret, Wire.MEETING, Side.LISTENING);
        byte[] theirs = caller.getInputStream().readNBytes(NONCE);
        caller.getOutputStream().write(joined(proof.nonce(), proof.proof(theirs)));
        byte[] shown = caller.getInputStream().readNBytes(MutualProof.PROOF_BYTES);
        require(proof.accepts(theirs, shown), caller);
    }

    /** @throws IOException when the server does not know the secret */
    static void call(Socket server, ClusterSecret secret) throws IOException {
        if (!secret.isSet()) {
            return;
        }
        var proof = new MutualProof(secret, Wire.MEETING, Side.CONNECTING);
        server.getOutputStream().write(proof.nonce());
        byte[] answer = server.getInputStream().readNBytes(NONCE + MutualProof.PROOF_BYTES);
        byte[] theirs = Arrays.copyOf(answer, Math.min(NONCE, answer.length));
        require(proof.accepts(theirs, Arrays.copyOfRange(answer, theirs.length, answer.length)), server);
        server.getOutputStream().write(proof.proof(theirs));
    }

    private static void require(boolean isAccepted, Socket peer) throws IOException {
        if (!isAccepted) {
            throw new IOException(PeerTrust.wrongProof(Wire.MEETING, "" + peer.getRemoteSocketAddress()));
        }
    }

    private static byte[] joined(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
