package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.protocol.PrefillCaller.Failure;
import dev.tandem.gateway.protocol.PrefillCaller.Failure.Kind;
import dev.tandem.gateway.relay.Answer;

/** The call of a prefill node. Owned by the event loop of the request. */
final class PrefillLeg extends Leg {
    private final PrefillCaller caller;
    private final ExchangeMeters meters;
    private final long startNs;

    PrefillLeg(PrefillCaller caller, FleetNode node, Answer answer, ExchangeParts parts) {
        super(node, answer, parts.settings().maxReplyBytes());
        this.caller = caller;
        this.meters = parts.meters();
        this.startNs = meters.nanoClock().getAsLong();
    }

    @Override
    public void chunk(byte[] bytes) {
        collect(bytes);
    }

    @Override
    public void end() {
        int status = head().status();
        if (status == 503 || (status == 429 && caller.canAskAnother())) {
            caller.failed(node, new Failure("status " + status, Kind.REFUSED));
        } else if (status >= 500 || status == 408) {
            caller.failed(node, new Failure("status " + status, Kind.ERROR));
        } else if (status >= 300) {
            caller.refused(head(), collector.bytes());
        } else {
            caller.answered(node, collector.bytes(), meters.secondsSince(startNs));
        }
    }

    @Override
    void refused(ApiError refusal) {
        caller.failed(node, new Failure(refusal.message(), Kind.BROKEN));
    }

    @Override
    void broke(ApiException failure) {
        Kind kind = failure.kind() == ApiException.Kind.CONNECT ? Kind.UNREACHED : Kind.BROKEN;
        caller.failed(node, new Failure(String.valueOf(failure.getMessage()), kind));
    }
}
