package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.Wire;
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
    private final Wire wire;
    private final boolean mustProve;
    private final MutualProof proof;
    private Optional<byte[]> challenge = Optional.empty();

    public ConnectingGreeting(FrameChannel channel, JoinTerms own, ClusterSecret secret, Wire wire) {
        this.channel = channel;
        this.own = own;
        this.wire = wire;
        this.mustProve = secret.isSet();
        this.proof = new MutualProof(secret, wire, Side.CONNECTING);
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
        int theirVersion =
                BodyReader.readBeginning(body.slice(), reader -> reader.integer("version", 0, Integer.MAX_VALUE));
        if (wire.objection(theirVersion, mustProve).isPresent()) {
            throw new FrameException("protocol version", wire.versions(mustProve), theirVersion);
        }
        byte[] theirs = BodyReader.readBeginning(body, reader -> {
            reader.integer("protocol version", 0, Integer.MAX_VALUE);
            return reader.bytes("nonce", MutualProof.NONCE_BYTES);
        });
        challenge = Optional.of(theirs);
        var hello = new Hello(wire.common(theirVersion), proof.nonce(), proof.proof(theirs), own);
        channel.offer(FrameKind.HELLO, hello.encode());
    }

    private void requireProof(ByteBuffer body) throws FrameException {
        byte[] theirs = challenge.orElseThrow(() -> new FrameException("first frame", "CHALLENGE", "WELCOME"));
        byte[] shown = BodyReader.read(body, reader -> reader.bytes("proof", MutualProof.PROOF_BYTES));
        if (mustProve && !proof.accepts(theirs, shown)) {
            throw new FrameException("proof of the listening side", "one that knows the cluster token", "another");
        }
    }
}
