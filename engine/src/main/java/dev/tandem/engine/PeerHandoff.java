package dev.tandem.engine;

import dev.tandem.engine.handoff.Handoff;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.PromptDigest;
import dev.tandem.engine.request.Sequence;
import java.util.List;
import java.util.Map;

/** A node that exchanges KV with peers. */
final class PeerHandoff implements HandoffSide {
    private final Handoff handoff;

    PeerHandoff(Handoff handoff) {
        this.handoff = handoff;
    }

    @Override
    public HandoffTicket lend(Sequence sequence, int lastTokenId, long nowNs) {
        return handoff.lend(sequence.id(), sequence.blocks().blockIds(), lastTokenId, nowNs)
                .with(HandoffTicket.PROMPT, digest(sequence));
    }

    @Override
    public void cancelLease(String requestId) {
        handoff.cancelLease(requestId);
    }

    @Override
    public void fetch(Sequence sequence, HandoffTicket ticket, long nowNs) {
        handoff.fetch(
                sequence.id(),
                ticket,
                sequence.promptTokens(),
                sequence.cachedTokens(),
                sequence.blocks().blockIds(),
                nowNs);
    }

    @Override
    public void receive(Sequence sequence, String metaserver, long nowNs) {
        var draft = new Invitation.Draft(
                metaserver,
                Map.of(HandoffTicket.PROMPT, digest(sequence)),
                sequence.admission().deadlineNs());
        handoff.receive(blocks(sequence), draft, nowNs);
    }

    @Override
    public void push(Sequence sequence, HandoffTicket target) {
        handoff.push(blocks(sequence), target);
    }

    @Override
    public void stored(List<PushProgress> prompts, int tpRank, int layer) {
        handoff.stored(prompts, tpRank, layer);
    }

    @Override
    public void cancelPush(String requestId, String reason) {
        handoff.cancelPush(requestId, reason);
    }

    @Override
    public void refusePush(String requestId, HandoffTicket target, String reason) {
        handoff.refusePush(requestId, target, reason);
    }

    private static PromptBlocks blocks(Sequence sequence) {
        return new PromptBlocks(
                sequence.id(),
                sequence.promptTokens(),
                sequence.cachedTokens(),
                sequence.blocks().blockIds());
    }

    private static String digest(Sequence sequence) {
        return PromptDigest.of(sequence.request().promptTokenIds());
    }

    @Override
    public void cancelFetch(String requestId) {
        handoff.cancelFetch(requestId);
    }

    @Override
    public void decline(String requestId, HandoffTicket ticket) {
        handoff.decline(requestId, ticket);
    }

    @Override
    public List<HandoffEvent> poll(long nowNs) {
        return handoff.poll(nowNs);
    }

    @Override
    public long nextDeadlineNs() {
        return handoff.nextDeadlineNs();
    }

    @Override
    public void close() {
        handoff.close();
    }
}
