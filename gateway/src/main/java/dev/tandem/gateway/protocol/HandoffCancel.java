package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpCalls;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.counter.Counters;
import dev.tandem.gateway.fleet.FleetNode;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells a prefill node to free the blocks that it lends, or is about to lend, to a request that will not be decoded: {@code POST
 * /v1/handoff/cancel {"request_id": X}} where X is the {@code X-Request-Id} of both hops. A node that does not know the path (404, 405) is
 * not asked again; its blocks come free by its own timer. Nobody waits for the answer. Owned by the event loop of the request.
 */
final class HandoffCancel implements ReplyListener {
    private static final Logger LOG = LoggerFactory.getLogger(HandoffCancel.class);

    private final FleetNode node;
    private final String requestId;
    private final Counters<GatewayCounter> counters;

    private HandoffCancel(FleetNode node, String requestId, Counters<GatewayCounter> counters) {
        this.node = node;
        this.requestId = requestId;
        this.counters = counters;
    }

    /**
     * Sends the cancel on the calling event loop.
     *
     * @param headers of the request's own hops, for a node that asks for a key
     */
    static void send(HttpCalls http, FleetNode node, Map<String, String> headers, Counters<GatewayCounter> counters) {
        if (!node.cancelsHandoffs()) {
            return;
        }
        counters.increment(GatewayCounter.HANDOFFS_CANCELLED);
        String requestId = String.valueOf(headers.get("X-Request-Id"));
        byte[] body = ("{\"request_id\":\"" + requestId + "\"}").getBytes(StandardCharsets.UTF_8);
        http.startOnLoop(
                new HttpCall("POST", node.address(), "/v1/handoff/cancel", headers, body),
                new HandoffCancel(node, requestId, counters));
    }

    @Override
    public void head(ReplyHead head) {
        if (head.status() == 404 || head.status() == 405) {
            node.knowsNoCancel();
        } else if (head.status() >= 300) {
            missed("status " + head.status());
        }
    }

    @Override
    public void chunk(byte[] bytes) {
        // the body of the node's answer is of no interest
    }

    @Override
    public void end() {
        LOG.debug("handoff cancelled: request={} node={}", requestId, node.address());
    }

    @Override
    public void failed(ApiException failure) {
        missed(String.valueOf(failure.getMessage()));
    }

    private void missed(String cause) {
        counters.increment(GatewayCounter.HANDOFF_CANCELS_FAILED);
        LOG.warn("handoff not cancelled: request={} node={} cause={}", requestId, node.address(), cause);
    }
}
