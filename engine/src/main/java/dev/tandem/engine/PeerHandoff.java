package dev.tandem.engine;

import dev.tandem.engine.handoff.Handoff;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Sequence;
import java.util.List;

/** A node that exchanges KV with peers. */
final class PeerHandoff implements HandoffSide {
    private final Handoff handoff;

    PeerHandoff(Handoff handoff) {
        this.handoff = handoff;
    }

    @Override
    public HandoffTicket lend(Sequence sequence, int lastTokenId, long nowNs) {
        return handoff.lend(sequence.id(), sequence.blocks().blockIds(), lastTokenId, nowNs);
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
