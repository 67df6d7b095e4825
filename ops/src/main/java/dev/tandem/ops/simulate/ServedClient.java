package dev.tandem.ops.simulate;

import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.Request;
import org.jspecify.annotations.Nullable;

/** A simulated node's side of one client connection: one request and its answer, event by event. */
final class ServedClient implements SimulatedConnection.Handler {
    /** A client asks for tokens. */
    record Ask(Request request) {}

    /** A client tells that nobody will fetch what a request has lent. */
    record CancelLease(String requestId) {}

    private final long slackNs;
    private final SimulatedNode node;
    private final SimulatedConnection connection;
    private @Nullable ServedRequest served;

    /** @param slackNs how long after its deadline the request may live */
    ServedClient(long slackNs, SimulatedNode node, SimulatedConnection connection) {
        this.slackNs = slackNs;
        this.node = node;
        this.connection = connection;
    }

    @Override
    public void opened() {}

    @Override
    public void received(Object message) {
        switch (message) {
            case Ask ask -> begin(ask.request());
            case CancelLease cancel -> node.cancelLease(cancel.requestId());
            default -> throw new IllegalStateException("unknown " + message);
        }
    }

    private void begin(Request request) {
        try {
            served = new ServedRequest(node, request, slackNs, event -> connection.send(event, 100));
        } catch (EngineException refused) {
            connection.send(refused, 100);
        }
    }

    @Override
    public void closed(String reason) {
        if (served != null) {
            served.close();
        }
    }
}
