package dev.tandem.engine;

import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Sequence;
import java.util.List;

/** A node that prefills and decodes by itself. Requests with another role are refused at admission, so nothing can be lent or fetched. */
final class NoHandoff implements HandoffSide {
    @Override
    public HandoffTicket lend(Sequence sequence, int lastTokenId, long nowNs) {
        throw notHere(sequence.id());
    }

    @Override
    public void cancelLease(String requestId) {
        throw notHere(requestId);
    }

    @Override
    public void fetch(Sequence sequence, HandoffTicket ticket, long nowNs) {
        throw notHere(sequence.id());
    }

    @Override
    public void receive(Sequence sequence, String metaserver, long nowNs) {
        throw notHere(sequence.id());
    }

    @Override
    public void push(Sequence sequence, HandoffTicket target) {
        throw notHere(sequence.id());
    }

    @Override
    public void stored(List<PushProgress> prompts, int tpRank, int layer) {
        throw notHere(prompts.toString());
    }

    @Override
    public void cancelPush(String requestId, String reason) {
        throw notHere(requestId);
    }

    @Override
    public void refusePush(String requestId, HandoffTicket target, String reason) {
        throw notHere(requestId);
    }

    @Override
    public void cancelFetch(String requestId) {
        throw notHere(requestId);
    }

    @Override
    public void decline(String requestId, HandoffTicket ticket) {
        throw notHere(requestId);
    }

    @Override
    public List<HandoffEvent> poll(long nowNs) {
        return List.of();
    }

    @Override
    public long nextDeadlineNs() {
        return Long.MAX_VALUE;
    }

    @Override
    public void close() {}

    private static IllegalStateException notHere(String requestId) {
        return new IllegalStateException(
                "request " + requestId + " was admitted to an exchange that is not configured");
    }
}
