package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.trust.MutualProof;
import java.nio.ByteBuffer;

/**
 * The first frame of a connecting process; see {@link ListeningGreeting}.
 *
 * @param version of the protocol that is spoken from here on
 * @param nonce of this connection
 * @param proof that it knows the token
 * @param terms what it is
 */
@SuppressWarnings("ArrayRecordComponent") // a message, never compared
record Hello(int version, byte[] nonce, byte[] proof, JoinTerms terms) {
    byte[] encode() {
        return new BodyWriter()
                .integer(version)
                .bytes(nonce)
                .bytes(proof)
                .with(terms::encode)
                .toBytes();
    }

    static Hello decode(ByteBuffer body) throws FrameException {
        return BodyReader.read(body, reader -> {
            return new Hello(
                    reader.integer("protocol version", 0, Integer.MAX_VALUE),
                    reader.bytes("nonce", MutualProof.NONCE_BYTES),
                    reader.bytes("proof", MutualProof.PROOF_BYTES),
                    JoinTerms.decode(reader));
        });
    }
}
