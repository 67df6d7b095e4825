package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import java.util.Optional;

/** The call of a prefill node. Owned by the event loop of the request. */
final class PrefillLeg extends Leg {
    private final long startNs = System.nanoTime();

    PrefillLeg(PdExchange exchange, FleetNode node, int maxReplyBytes) {
        super(exchange, node, maxReplyBytes);
    }

    @Override
    public void chunk(byte[] bytes) {
        collect(bytes);
    }

    @Override
    public void end() {
        int status = head().status();
        if (status >= 500 || status == 408) {
            exchange.prefillFailed(node, "status " + status, false);
        } else if (status == 429 && exchange.canAskAnotherPrefill()) {
            exchange.prefillFailed(node, "overloaded", false);
        } else if (status >= 300) {
            exchange.prefillRefused(head(), collector.bytes());
        } else {
            readTicket();
        }
    }

    @Override
    void broke(ApiException failure) {
        boolean reached = failure.kind() != ApiException.Kind.CONNECT;
        exchange.prefillFailed(node, String.valueOf(failure.getMessage()), reached);
    }

    private void readTicket() {
        Optional<byte[]> ticket;
        try {
            ticket = PdProtocol.ticket(collector.bytes());
        } catch (ApiError e) {
            exchange.prefillFailed(node, "no JSON in a " + head().status() + ": " + e.message(), true);
            return;
        }
        if (ticket.isPresent()) {
            exchange.prefilled(ticket.get(), (System.nanoTime() - startNs) / 1e9);
        } else {
            exchange.prefilledWithoutTicket(node);
        }
    }
}
