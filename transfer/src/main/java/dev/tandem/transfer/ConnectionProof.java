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
    private byte[] theirNonce = {};

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
     * @return whether both sides have proved themselves
     * @throws IOException naming what the peer did not show
     */
    boolean advance(ByteChannel channel) throws IOException {
        while (true) {
            channel.write(outgoing);
            if (outgoing.hasRemaining() || !isAnswered(channel)) {
                return false;
            }
            byte[] body = ProofFrames.answerBody(answer);
            if (theirNonce.length > 0) {
                if (!proof.accepts(theirNonce, body)) {
                    throw new IOException(PeerTrust.wrongProof(Wire.DATA, peer));
                }
                return true;
            }
            theirNonce = body;
            outgoing = ProofFrames.prove(proof.proof(theirNonce));
            answer.clear();
        }
    }

    /** Whether an answer has come whole. */
    private boolean isAnswered(ByteChannel channel) throws IOException {
        boolean isEnd = channel.read(answer) < 0;
        boolean hasStatus = answer.position() >= StatusFrame.BYTES;
        if (hasStatus && (!StatusFrame.isFrame(answer, 0) || StatusFrame.code(answer, 0) != StatusFrame.OK)) {
            throw new IOException("the peer believes no proof of the cluster secret from here");
        }
        if (isEnd) {
            throw new EOFException("closed by the peer");
        }
        return !answer.hasRemaining();
    }
}
