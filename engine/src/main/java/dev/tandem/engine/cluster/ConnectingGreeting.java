package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.SharedToken.Side;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import java.nio.ByteBuffer;
import java.util.Optional;

/** The first frames of a connection, as the connecting side sees them; {@link ListeningGreeting} has the picture. */
public final class ConnectingGreeting {
    /** How far it is. */
    sealed interface Progress {
        /** Another frame must come. */
        record Waiting() implements Progress {}

        /** This side is let in. */
        record Welcomed() implements Progress {}

        /** It is not. */
        record Refused(Refusal refusal) implements Progress {}
    }

    private final FrameChannel channel;
    private final JoinTerms own;
    private final SharedToken token;
    private final byte[] nonce = SharedToken.freshNonce();
    private Optional<byte[]> challenge = Optional.empty();

    public ConnectingGreeting(FrameChannel channel, JoinTerms own, SharedToken token) {
        this.channel = channel;
        this.own = own;
        this.token = token;
    }

    /** Takes a frame. */
    Progress received(FrameKind kind, ByteBuffer body) throws FrameException {
        return switch (kind) {
            case CHALLENGE -> {
                answer(body);
                yield new Progress.Waiting();
            }
            case WELCOME -> {
                requireProof(body);
                channel.trust();
                yield new Progress.Welcomed();
            }
            case REFUSED -> new Progress.Refused(Refusal.decode(body));
            default -> throw new FrameException("frame before WELCOME", "CHALLENGE, WELCOME or REFUSED", kind);
        };
    }

    /**
     * As {@link #received}, for a caller that needs to know only whether it is let in.
     *
     * @throws FrameException also when it is refused
     */
    public boolean isWelcomedBy(FrameKind kind, ByteBuffer body) throws FrameException {
        return switch (received(kind, body)) {
            case Progress.Waiting waiting -> false;
            case Progress.Welcomed welcomed -> true;
            case Progress.Refused refused ->
                throw new FrameException(
                        "greeting",
                        "an invitation",
                        "refused: " + refused.refusal().message("the peer", "this side"));
        };
    }

    private void answer(ByteBuffer body) throws FrameException {
        if (challenge.isPresent()) {
            throw new FrameException("frame", "WELCOME or REFUSED", FrameKind.CHALLENGE);
        }
        byte[] theirs = BodyReader.readBeginning(body, reader -> {
            reader.integer("protocol version", 0, Integer.MAX_VALUE); // the listening side compares
            return reader.bytes("nonce", SharedToken.NONCE_BYTES);
        });
        challenge = Optional.of(theirs);
        var hello = new Hello(nonce, token.proof(Side.CONNECTING, theirs, nonce), own);
        channel.offer(FrameKind.HELLO, hello.encode());
    }

    private void requireProof(ByteBuffer body) throws FrameException {
        byte[] theirs = challenge.orElseThrow(() -> new FrameException("first frame", "CHALLENGE", "WELCOME"));
        byte[] proof = BodyReader.read(body, reader -> reader.bytes("proof", SharedToken.MAX_PROOF_BYTES));
        if (!token.accepts(proof, Side.LISTENING, theirs, nonce)) {
            throw new FrameException("proof of the listening side", "one that knows the cluster token", "another");
        }
    }
}
