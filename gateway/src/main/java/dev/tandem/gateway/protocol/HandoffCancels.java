package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.StrictJson;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpCalls;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.counter.Counters;
import dev.tandem.gateway.fleet.FleetNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Tells prefill nodes to free the blocks that they lend, or are about to lend, to requests that will not be decoded: {@code POST
 * /v1/handoff/cancel {"request_ids": [X, …]}}, or {@code "request_id"} for one, where X is the {@code X-Request-Id} of both hops. Of a node one call is under way at a time, and
 * what comes meanwhile goes with the next, so that many clients that leave together do not cost the node as many connections. A node that does
 * not know the path (404, 405) is not asked again; its blocks come free by its own timer. Nobody waits for the answer. Shared by all event
 * loops.
 */
final class HandoffCancels {
    private static final Logger LOG = LoggerFactory.getLogger(HandoffCancels.class);

    /** Ids of one call. */
    static final int MOST_IDS = 256;

    private static final int MOST_WAITING = 16_384;

    /** @param authorization that the node is shown; empty for none */
    private record Destination(FleetNode node, String authorization) {}

    private final HttpCalls http;
    private final Counters<GatewayCounter> counters;
    /** Guards {@link #waiting}, for a few instructions. */
    private final ReentrantLock lock = new ReentrantLock();
    /** Has an entry, empty perhaps, for each destination that is being called or about to be. */
    private final Map<Destination, List<String>> waiting = new HashMap<>();

    HandoffCancels(HttpCalls http, Counters<GatewayCounter> counters) {
        this.http = http;
        this.counters = counters;
    }

    /**
     * Cancels what a node has for a request.
     *
     * @param headers of the request's own hops, for a node that asks for a key
     * @param loop event loop that calls the node where none does yet: once it has handled what the network has delivered so far
     */
    void send(FleetNode node, String requestId, Map<String, String> headers, Executor loop) {
        if (!node.cancelsHandoffs()) {
            return;
        }
        counters.increment(GatewayCounter.HANDOFFS_CANCELLED);
        var destination = new Destination(node, headers.getOrDefault("Authorization", ""));
        boolean isFirst;
        boolean hasRoom;
        lock.lock();
        try {
            isFirst = !waiting.containsKey(destination);
            List<String> ids = waiting.computeIfAbsent(destination, unknown -> new ArrayList<>());
            hasRoom = ids.size() < MOST_WAITING;
            if (hasRoom) {
                ids.add(requestId);
            }
        } finally {
            lock.unlock();
        }
        if (!hasRoom) {
            missed(destination, 1, "too many wait");
        }
        if (isFirst) {
            try {
                loop.execute(() -> callNext(destination, loop));
            } catch (RuntimeException ended) { // the loop's
                giveUp(destination, 0, ended);
            }
        }
    }

    private void callNext(Destination destination, Executor loop) {
        List<String> ids = take(destination);
        if (ids.isEmpty()) {
            return;
        }
        try {
            call(destination, ids, loop);
        } catch (RuntimeException failure) { // with the entry left, nobody would ever call this node again
            giveUp(destination, ids.size(), failure);
        }
    }

    private void call(Destination destination, List<String> ids, Executor loop) {
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("Content-Type", "application/json");
        if (!destination.authorization().isEmpty()) {
            headers.put("Authorization", destination.authorization());
        }
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        if (ids.size() == 1) {
            body.put("request_id", ids.getFirst());
        } else {
            var list = body.putArray("request_ids");
            ids.forEach(list::add);
        }
        http.startOnLoop(
                new HttpCall(
                        "POST", destination.node().address(), "/v1/handoff/cancel", headers, StrictJson.bytes(body)),
                new Call(destination, ids.size(), loop));
    }

    private List<String> take(Destination destination) {
        lock.lock();
        try {
            List<String> ids = waiting.getOrDefault(destination, List.of());
            if (ids.isEmpty()) {
                waiting.remove(destination);
                return List.of();
            }
            List<String> first = ids.subList(0, Math.min(MOST_IDS, ids.size()));
            List<String> taken = List.copyOf(first);
            first.clear();
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /** Nobody calls the node: what waits for it is given up too, and the next request begins anew. */
    private void giveUp(Destination destination, int taken, RuntimeException cause) {
        int left;
        lock.lock();
        try {
            List<String> ids = waiting.remove(destination);
            left = ids == null ? 0 : ids.size();
        } finally {
            lock.unlock();
        }
        missed(destination, taken + left, cause.toString());
    }

    private void missed(Destination destination, int count, String cause) {
        counters.add(GatewayCounter.HANDOFF_CANCELS_FAILED, count);
        LOG.warn(
                "handoffs not cancelled: count={} node={} cause={}",
                count,
                destination.node().address(),
                cause);
    }

    /** One call. Owned by the event loop that makes it. */
    private final class Call implements ReplyListener {
        private final Destination destination;
        private final int count;
        private final Executor loop;

        Call(Destination destination, int count, Executor loop) {
            this.destination = destination;
            this.count = count;
            this.loop = loop;
        }

        @Override
        public void head(ReplyHead head) {
            if (head.status() == 404 || head.status() == 405) {
                destination.node().knowsNoCancel();
            } else if (head.status() >= 300) {
                missed(destination, count, "status " + head.status());
            }
        }

        @Override
        public void chunk(byte[] bytes) {
            // the body of the node's answer is of no interest
        }

        @Override
        public void end() {
            LOG.debug(
                    "handoffs cancelled: count={} node={}",
                    count,
                    destination.node().address());
            callNext(destination, loop);
        }

        @Override
        public void failed(ApiException failure) {
            missed(destination, count, String.valueOf(failure.getMessage()));
            callNext(destination, loop);
        }
    }
}
