package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import java.nio.ByteBuffer;

/**
 * The first frame of a connecting process, behind its protocol version; see {@link ListeningGreeting}.
 *
 * @param nonce of this connection
 * @param proof that it knows the token
 * @param terms what it is
 */
@SuppressWarnings("ArrayRecordComponent") // a message, never compared
record Hello(byte[] nonce, byte[] proof, JoinTerms terms) {
    byte[] encode() {
        return new BodyWriter()
                .integer(JoinTerms.PROTOCOL_VERSION)
                .bytes(nonce)
                .bytes(proof)
                .with(terms::encode)
                .toBytes();
    }

    static Hello decode(ByteBuffer body) throws FrameException {
        return BodyReader.read(body, reader -> {
            reader.integer("protocol version", JoinTerms.PROTOCOL_VERSION, JoinTerms.PROTOCOL_VERSION);
            return new Hello(
                    reader.bytes("nonce", SharedToken.NONCE_BYTES),
                    reader.bytes("proof", SharedToken.MAX_PROOF_BYTES),
                    JoinTerms.decode(reader));
        });
    }
}
