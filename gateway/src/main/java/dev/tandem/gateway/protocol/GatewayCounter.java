package dev.tandem.gateway.protocol;

import dev.tandem.counter.Counter;

/** What the gateway counts; each constant says what its growth hints at. */
public enum GatewayCounter implements Counter {
    REQUESTS("Completion requests that were accepted: the traffic."),
    DISAGGREGATED("Requests that went through a prefill node and a decode node: the normal way."),
    PREFILL_RETRIES("Prefill calls repeated on another node: prefill nodes fail or refuse."),
    DECODE_RETRIES("Decode calls repeated on another node: decode nodes fail or refuse."),
    PUSHES_ASKED("Posts of decode nodes that ask for their prompt: the traffic of the metaserver."),
    PUSHES_FAILED("Prompts that no prefill node could compute for a waiting decode node: prefill nodes fail."),
    METASERVER_REFUSALS("Posts to the metaserver that were refused: late, malformed or forged."),
    CALLS_HUNG("Calls given up because their node was found to hang: nodes are stopped, overloaded or cut off."),
    CLIENTS_GONE("Clients that left before their answer was complete: impatience or timeouts set too short."),
    STREAMS_BROKEN("Streams that ended with an error event: a decode node died in mid-answer."),
    UPSTREAM_ERRORS("Error answers of nodes that were passed on to the client: look at the nodes' logs."),
    GATEWAY_ERRORS("Requests that the gateway itself answered with an error: nodes are missing or unusable."),
    HANDOFFS_CANCELLED("Prefill nodes told to free the blocks of a request that will not be decoded."),
    HANDOFF_CANCELS_FAILED("Cancels that did not reach the prefill node: its blocks stay lent until the lease ends.");

    private final String sentence;

    GatewayCounter(String sentence) {
        this.sentence = sentence;
    }

    @Override
    public String sentence() {
        return sentence;
    }
}
