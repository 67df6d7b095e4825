package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.Wire;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.function.Function;

/**
 * The first frames of a connection, as the listening side sees them. Bodies are msgpack values one behind the other.
 *
 * <pre>
 *    listening  CHALLENGE  newest version, nonce
 *    connecting HELLO      common version, nonce, proof, terms          proofs: {@link MutualProof}; empty without a secret
 *    listening  WELCOME    proof                          or REFUSED    field, both values, whether that is final; then it closes
 * </pre>
 *
 * <p>Version first, secret second, then everything else: whoever does not know the secret learns nothing else. A peer of version 1 is let
 * in where there is no secret. Owned by the reader thread of its connection.
 */
public final class ListeningGreeting {
    private final FrameChannel channel;
    private final JoinTerms own;
    private final Wire wire;
    private final boolean mustProve;
    private final MutualProof proof;
    private int version; // of the side that was let in

    /** Sends the challenge; the channel need not run yet. */
    public ListeningGreeting(FrameChannel channel, JoinTerms own, ClusterSecret secret, Wire wire) {
        this.channel = channel;
        this.own = own;
        this.wire = wire;
        this.mustProve = secret.isSet();
        this.proof = new MutualProof(secret, wire, Side.LISTENING);
        channel.offer(
                FrameKind.CHALLENGE,
                new BodyWriter().integer(wire.version()).bytes(proof.nonce()).toBytes());
    }

    /**
     * Answers the first frame of the connecting side.
     *
     * @param further looked at last; what else may speak against the terms
     * @return its terms when it is let in; empty when it was refused and the connection ends
     */
    Optional<JoinTerms> answer(FrameKind kind, ByteBuffer body, Function<JoinTerms, Optional<Refusal>> further)
            throws FrameException {
        if (kind != FrameKind.HELLO) {
            throw new FrameException("first frame", "" + FrameKind.HELLO, kind);
        }
        version = BodyReader.readBeginning(body.slice(), reader -> reader.integer("version", 0, Integer.MAX_VALUE));
        if (version > wire.version() || wire.objection(version, mustProve).isPresent()) {
            return refuse(new Refusal("protocol version", wire.versions(mustProve), "" + version, true));
        }
        Hello hello = Hello.decode(body);
        if (!isKnown(hello)) {
            String theirs = hello.proof().length == 0 ? "none" : mustProve ? "another one" : "one";
            return refuse(new Refusal("cluster token", mustProve ? "one" : "none", theirs, true));
        }
        Optional<Refusal> refusal = own.firstMismatch(hello.terms()).map(Refusal::of);
        if (refusal.isEmpty()) {
            refusal = further.apply(hello.terms());
        }
        if (refusal.isPresent()) {
            return refuse(refusal.get());
        }
        channel.trust();
        channel.offer(
                FrameKind.WELCOME,
                new BodyWriter().bytes(proof.proof(hello.nonce())).toBytes());
        return Optional.of(hello.terms());
    }

    /** As {@link #answer(FrameKind, ByteBuffer, Function)}, where nothing else speaks against terms that agree. */
    public Optional<JoinTerms> answer(FrameKind kind, ByteBuffer body) throws FrameException {
        return answer(kind, body, terms -> Optional.empty());
    }

    /** What both sides speak, once the other one is let in. */
    int version() {
        return version;
    }

    private boolean isKnown(Hello hello) {
        return mustProve ? proof.accepts(hello.nonce(), hello.proof()) : hello.proof().length == 0;
    }

    private Optional<JoinTerms> refuse(Refusal refusal) {
        String message = refusal.message("this side", "peer " + channel.peer());
        channel.tellRefusal(message);
        channel.offer(FrameKind.REFUSED, refusal.encode());
        channel.finish("refused: " + message);
        return Optional.empty();
    }
}
