package dev.tandem.transfer;

import dev.tandem.transfer.wire.ProofFrames;
import dev.tandem.transfer.wire.StatusFrame;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;

/** The beginning of a data connection to a peer that wants a proof of the cluster's secret: {@link ProofFrames}. Owned by the poller. */
final class ConnectionProof {
    private final MutualProof proof;
    private final String peer;
    private final ByteBuffer answer = ByteBuffer.allocate(ProofFrames.ANSWER_BYTES);
    private ByteBuffer outgoing;
    private boolean isAnswered;

    ConnectionProof(ClusterSecret secret, String peer) {
        this.proof = new MutualProof(secret, Wire.DATA, Side.CONNECTING);
        this.peer = peer;
        this.outgoing = ProofFrames.hello(Wire.DATA.version(), proof.nonce());
    }

    /** Whether bytes wait for the socket to take them, rather than the other way round. */
    boolean isWriting() {
        return outgoing.hasRemaining();
    }

    /**
     * Goes on as far as the socket lets it.
     *
     * @return whether all is said
     * @throws IOException naming what the peer did not show
     */
    boolean advance(ByteChannel channel) throws IOException {
        channel.write(outgoing);
        if (outgoing.hasRemaining() || isAnswered) {
            return isAnswered && !outgoing.hasRemaining();
        }
        if (channel.read(answer) < 0) {
            throw new EOFException(
                    answer.position() == 0 ? "closed by the peer" : PeerTrust.noProof(Wire.DATA, "at " + peer));
        }
        boolean isRefused = answer.position() >= StatusFrame.BYTES && StatusFrame.code(answer, 0) != StatusFrame.OK;
        if (isRefused) {
            throw new IOException("the peer believes no proof of the cluster secret from here");
        }
        if (answer.hasRemaining()) {
            return false;
        }
        byte[] theirs = ProofFrames.answerNonce(answer);
        if (!StatusFrame.isFrame(answer, 0) || !proof.accepts(theirs, ProofFrames.answerProof(answer))) {
            throw new IOException(PeerTrust.wrongProof(Wire.DATA, peer));
        }
        isAnswered = true;
        outgoing = ProofFrames.prove(proof.proof(theirs));
        channel.write(outgoing);
        return !outgoing.hasRemaining();
    }
}
