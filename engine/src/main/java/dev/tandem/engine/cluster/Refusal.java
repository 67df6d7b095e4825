package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.JoinTerms.Mismatch;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import java.nio.ByteBuffer;

/**
 * Why a process is not let in.
 *
 * @param field in which the sides differ
 * @param listening value of the side that listens: the head, when a node joins
 * @param connecting value of the side that connects
 * @param isFinal trying again does not help
 */
record Refusal(String field, String listening, String connecting, boolean isFinal) {
    private static final int MAX_TEXT_BYTES = 1024;

    static Refusal of(Mismatch mismatch) {
        return new Refusal(mismatch.field(), mismatch.listening(), mismatch.connecting(), true);
    }

    /**
     * For logs of both sides.
     *
     * @param listeningSide who listens, as in {@code the head}
     * @param connectingSide who connects, as in {@code this node}
     */
    String message(String listeningSide, String connectingSide) {
        return field + ": " + listeningSide + " has " + listening + ", " + connectingSide + " has " + connecting;
    }

    byte[] encode() {
        return new BodyWriter()
                .text(field)
                .text(listening)
                .text(connecting)
                .flag(isFinal)
                .toBytes();
    }

    static Refusal decode(ByteBuffer body) throws FrameException {
        return BodyReader.read(
                body,
                reader -> new Refusal(
                        reader.text("field", MAX_TEXT_BYTES),
                        reader.text("listening value", MAX_TEXT_BYTES),
                        reader.text("connecting value", MAX_TEXT_BYTES),
                        reader.flag("final")));
    }
}
