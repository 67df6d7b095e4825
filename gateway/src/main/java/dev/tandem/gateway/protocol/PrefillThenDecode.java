package dev.tandem.gateway.protocol;

import dev.tandem.gateway.relay.Answer;

/** P computes the prompt and answers with a ticket; D gets the ticket and reads P's blocks: vllm-ascend's pull proxy, Nixl. Any thread. */
public final class PrefillThenDecode implements PdProtocol {
    private final ExchangeParts parts;
    private final HandoffCancels cancels;

    /** Exchanges with the nodes of these parts. */
    public PrefillThenDecode(ExchangeParts parts) {
        this.parts = parts;
        this.cancels = new HandoffCancels(parts.http(), parts.meters().counters());
    }

    @Override
    public void serve(ClientRequest request, Answer answer) {
        new PullExchange(parts, cancels, request, answer).route();
    }
}
