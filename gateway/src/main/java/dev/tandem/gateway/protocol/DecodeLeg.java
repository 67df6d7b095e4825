package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.relay.Answer;
import dev.tandem.gateway.relay.StreamRelay;

/** The call of a decode node: events are relayed, anything else is collected. Owned by the event loop of the request. */
final class DecodeLeg extends Leg {
    private final PdExchange exchange;
    private final StreamRelay relay;

    DecodeLeg(PdExchange exchange, Answer answer, FleetNode node, int maxReplyBytes) {
        super(node, answer, maxReplyBytes);
        this.exchange = exchange;
        this.relay = new StreamRelay(answer);
    }

    @Override
    public void chunk(byte[] bytes) {
        if (isStream()) {
            relay.relay(bytes, upstream(), exchange::mayAnswer);
        } else {
            collect(bytes);
        }
    }

    @Override
    public void end() {
        if (!isStream()) {
            answered();
        } else if (relay.isComplete()) {
            exchange.streamed(upstream().trailer(PdExchange.RECOMPUTED));
        } else {
            broke(new ApiException(ApiException.Kind.CLOSED, "the stream ended without [DONE]"));
        }
    }

    @Override
    void broke(ApiException failure) {
        if (relay.isComplete()) {
            exchange.streamedToTheLastEvent(node, String.valueOf(failure.getMessage()));
        } else if (relay.hasBegun()) {
            relay.breakOff(
                    failure.kind() == ApiException.Kind.TIMEOUT
                            ? new ApiError(
                                    504, "GatewayTimeoutError", "the decode node fell silent in mid-answer", null, -1)
                            : ApiError.badGateway("the decode node broke off the answer"));
            exchange.streamBroke(node, String.valueOf(failure.getMessage()));
        } else {
            exchange.decodeFailed(node, failure);
        }
    }

    @Override
    void refused(ApiError refusal) {
        exchange.fail(refusal);
    }

    private void answered() {
        byte[] body = collector.bytes();
        if (head().status() < 300 && body.length == 0) {
            exchange.decodeFailed(
                    node, new ApiException(ApiException.Kind.PROTOCOL, "a " + head().status() + " without a body"));
        } else {
            exchange.decoded(node, head(), body);
        }
    }

    private boolean isStream() {
        return head().status() < 300
                && head().header("Content-Type")
                        .filter(type -> type.startsWith("text/event-stream"))
                        .isPresent();
    }
}
