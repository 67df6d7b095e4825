package dev.tandem.gateway.protocol;

import dev.tandem.gateway.relay.Answer;

/** P computes the prompt and answers with a ticket; D gets the ticket and reads P's blocks: vllm-ascend's pull proxy, Nixl. Any thread. */
public final class PrefillThenDecode implements PdProtocol {
    private final ExchangeParts parts;

    /** Exchanges with the nodes of these parts. */
    public PrefillThenDecode(ExchangeParts parts) {
        this.parts = parts;
    }

    @Override
    public void serve(ClientRequest request, Answer answer) {
        new PullExchange(parts, request, answer).route();
    }
}
