package dev.tandem.transfer;

import dev.tandem.transfer.tcp.HandshakeServer.Answer;
import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.Introduction;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.net.InetSocketAddress;
import java.util.function.Function;

/**
 * One peer at the handshake port. Where it must prove itself, nothing is answered but the Metadata messages of this exchange; {@code
 * tandem} is the {@link Introduction} in each:
 *
 * <pre>
 *   peer    METADATA  its descriptor, tandem: version, nonce
 *   this    METADATA  tandem: version, nonce                           or: version, refused; then it closes
 *   peer    METADATA  its descriptor, tandem: version, proof
 *   this    METADATA  our descriptor, tandem: version, proof           or: version, refused
 * </pre>
 *
 * <p>Whoever connects shows its proof first, so that no stranger is given one to guess the secret by. One that need not gets our descriptor at once, as Mooncake's peers do, and our proof with it when it asks for one. Owned by the
 * connection's thread.
 */
final class HandshakeConversation implements Function<HandshakeFrame, Answer> {
    private final Handshakes owner;
    private final InetSocketAddress peer;
    private final boolean mustProve;
    private final MutualProof proof;
    private byte[] theirNonce = {};

    HandshakeConversation(Handshakes owner, PeerTrust trust, InetSocketAddress peer) {
        this.owner = owner;
        this.peer = peer;
        this.mustProve = trust.mustProve(peer.getAddress());
        this.proof = new MutualProof(trust.secret(), Wire.HANDSHAKE, Side.LISTENING);
    }

    @Override
    public Answer apply(HandshakeFrame request) {
        boolean isMetadata = request.type() == HandshakeFrame.Type.METADATA;
        if (!mustProve) {
            return isMetadata ? Answer.last(described(request)) : Answer.last(owner.answer(request));
        }
        Introduction told = isMetadata ? Introduction.parse(request.json()) : Introduction.parse("{}");
        if (!told.isTandem()) {
            owner.refuse(noProof());
            return Answer.NONE;
        }
        if (theirNonce.length == 0) {
            return challenge(request, told);
        }
        if (!proof.accepts(theirNonce, told.proof())) {
            return refused(request, PeerTrust.wrongProof(Wire.HANDSHAKE, peer.toString()));
        }
        return Answer.last(request.answer(owner.ownJson(own().withProof(proof.proof(theirNonce)))));
    }

    private Answer challenge(HandshakeFrame request, Introduction told) {
        var objection = Wire.HANDSHAKE.objection(told.version(), true);
        if (objection.isPresent()) {
            return refused(request, noProof() + "; " + objection.get());
        }
        if (told.nonce().length != MutualProof.NONCE_BYTES) {
            return refused(request, noProof());
        }
        theirNonce = told.nonce();
        return Answer.more(request.answer(own().withNonce(proof.nonce()).toJson()));
    }

    private HandshakeFrame described(HandshakeFrame request) {
        if (proof.canProve()) {
            theirNonce = Introduction.parse(request.json()).nonce();
        }
        boolean isAsked = theirNonce.length == MutualProof.NONCE_BYTES;
        return request.answer(
                owner.ownJson(isAsked ? own().withNonce(proof.nonce()).withProof(proof.proof(theirNonce)) : own()));
    }

    private static Introduction own() {
        return Introduction.of(Wire.HANDSHAKE.version());
    }

    private Answer refused(HandshakeFrame request, String why) {
        owner.refuse(why);
        return Answer.last(request.answer(
                Introduction.refused(Wire.HANDSHAKE.version(), why).toJson()));
    }

    private String noProof() {
        return PeerTrust.noProof(Wire.HANDSHAKE, peer.toString());
    }
}
