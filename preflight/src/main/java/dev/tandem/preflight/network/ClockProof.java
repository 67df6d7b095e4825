package dev.tandem.preflight.network;

import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.Socket;

/**
 * How a connection to a check's clock begins where there is a secret; its version is that of the meeting, which comes first.
 *
 * <pre>
 *   caller: | nonce, 32 bytes |   server: | nonce, 32 bytes |   caller: | proof, 32 bytes |   server: | proof, 32 bytes |
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
        caller.getOutputStream().write(proof.nonce());
        byte[] shown = caller.getInputStream().readNBytes(MutualProof.PROOF_BYTES);
        require(proof.accepts(theirs, shown), caller);
        caller.getOutputStream().write(proof.proof(theirs));
    }

    /** @throws IOException when the server does not know the secret */
    static void call(Socket server, ClusterSecret secret) throws IOException {
        if (!secret.isSet()) {
            return;
        }
        var proof = new MutualProof(secret, Wire.MEETING, Side.CONNECTING);
        server.getOutputStream().write(proof.nonce());
        byte[] theirs = server.getInputStream().readNBytes(NONCE);
        server.getOutputStream().write(proof.proof(theirs));
        byte[] shown = server.getInputStream().readNBytes(MutualProof.PROOF_BYTES);
        require(proof.accepts(theirs, shown), server);
    }

    private static void require(boolean isAccepted, Socket peer) throws IOException {
        if (!isAccepted) {
            throw new IOException(PeerTrust.wrongProof(Wire.MEETING, "" + peer.getRemoteSocketAddress()));
        }
    }
}
