package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.ops.simulate.SimulatedConnection;
import dev.tandem.ops.simulate.SimulatedHost;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** One life of a prefill node: computes prompts, lends what it computed, or writes it into a decode node's blocks. */
final class PrefillLife implements ModelNode.Life {
    static final long LEASE_NS = 30_000_000_000L;
    private static final long TRANSFER_NS = 10_000_000_000L;

    private final ModelNode node;
    private final SimulatedHost host;
    private final Map<Long, Lease> leases = new HashMap<>();
    private final Set<String> computing = new HashSet<>();
    private final Set<String> cancelled = new HashSet<>();

    /** What is lent. */
    private record Lease(String requestId, String prompt) {}

    PrefillLife(ModelNode node, SimulatedHost host) {
        this.node = node;
        this.host = host;
        host.network().listen(host, ModelNode.KV_PORT, Lending::new);
    }

    @Override
    public void complete(LoopExchange exchange, ObjectNode body) {
        JsonNode params = body.path("kv_transfer_params");
        if (!params.path("do_remote_decode").asBoolean(false)
                || body.path("max_tokens").asInt(0) != 1) {
            throw ApiError.badRequest("a prefill node was asked for something else: " + body, null);
        }
        String requestId = exchange.header("X-Request-Id").orElseThrow();
        String prompt = body.path("prompt").asString("");
        computing.add(requestId);
        long computeNs =
                (long) (node.traits().computeNs() * (0.5 + node.random().nextDouble()));
        host.after(computeNs, "prefill computed", () -> {
            computing.remove(requestId);
            if (cancelled.remove(requestId)) {
                exchange.fail(ApiError.internal("the request was cancelled"));
            } else if (!exchange.isGone()) {
                computed(exchange, requestId, prompt, params);
            }
        });
    }

    private void computed(LoopExchange exchange, String requestId, String prompt, JsonNode params) {
        if (params.path("remote_host").isString()) {
            String remote = params.path("remote_host").stringValue();
            long block = params.path("remote_block_ids").path(0).asLong(-1);
            host.network()
                    .connect(
                            host,
                            remote,
                            params.path("remote_port").asInt(-1),
                            "kv",
                            connection -> new Pushing(connection, exchange, block, prompt));
        } else {
            long lease = node.random().nextLong(1, Long.MAX_VALUE);
            leases.put(lease, new Lease(requestId, prompt));
            node.runs().leased();
            int life = host.life();
            host.network().time().at(host.network().time().nowNs() + LEASE_NS, () -> {
                // a machine that is down lends nothing, and its clock does not stand still
                if (leases.remove(lease) != null) {
                    if (host.life() == life && host.isUp()) {
                        node.runs().expired();
                    } else {
                        node.runs().freed();
                    }
                }
            });
            answer(
                    exchange,
                    "{\"do_remote_prefill\":true,\"do_remote_decode\":false,\"remote_engine_id\":\"" + node.address()
                            + "\",\"remote_block_ids\":[" + lease + "],\"remote_host\":\"" + node.address()
                            + "\",\"remote_port\":" + ModelNode.KV_PORT + "}");
        }
    }

    private static void answer(LoopExchange exchange, String params) {
        String text = "{\"id\":\"cmpl-x\",\"choices\":[{\"index\":0,\"text\":\"x\",\"finish_reason\":\"length\"}],"
                + "\"kv_transfer_params\":" + params + "}";
        exchange.respond(200, "application/json", text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void cancel(String requestId) {
        if (computing.contains(requestId)) {
            cancelled.add(requestId);
        }
        List<Long> its = new ArrayList<>();
        leases.forEach((number, lease) -> {
            if (lease.requestId().equals(requestId)) {
                its.add(number);
            }
        });
        its.forEach(this::free);
    }

    private void free(long lease) {
        if (leases.remove(lease) != null) {
            node.runs().freed();
        }
    }

    /** A decode node that reads what is lent. */
    private final class Lending implements SimulatedConnection.Handler {
        private final SimulatedConnection connection;

        Lending(SimulatedConnection connection) {
            this.connection = connection;
        }

        @Override
        public void opened() {
            // the reader speaks first
        }

        @Override
        public void received(Object message) {
            if (message instanceof KvMessage.Fetch(long number)) {
                Lease lease = leases.get(number);
                connection.send(
                        lease == null ? new KvMessage.NotLent() : new KvMessage.Content(lease.prompt()), 10_000);
            } else if (message instanceof KvMessage.Done(long number)) {
                free(number);
            } else {
                throw new IllegalStateException("not for a prefill node: " + message);
            }
        }

        @Override
        public void closed(String reason) {
            // what is lent stays lent until its time is over
        }
    }

    /** Writes into a decode node's blocks; the caller hears how it went. */
    private final class Pushing implements SimulatedConnection.Handler {
        private final SimulatedConnection connection;
        private final LoopExchange exchange;
        private final long block;
        private final String prompt;
        private boolean isWritten;

        Pushing(SimulatedConnection connection, LoopExchange exchange, long block, String prompt) {
            this.connection = connection;
            this.exchange = exchange;
            this.block = block;
            this.prompt = prompt;
            exchange.onDisconnect(() -> connection.close("the request was called off"));
            host.after(TRANSFER_NS, "push limit", () -> connection.close("it took too long"));
        }

        @Override
        public void opened() {
            connection.send(new KvMessage.Write(block, prompt), 10_000);
        }

        @Override
        public void received(Object message) {
            if (((KvMessage.Written) message).wasAwaited()) {
                isWritten = true;
                long laterNs = (long) (node.traits().computeNs() * node.random().nextDouble());
                host.after(laterNs, "prefill answer", () -> answer(exchange, "null"));
            } else {
                exchange.fail(ApiError.internal("nobody waits for these blocks"));
            }
            connection.close("written");
        }

        @Override
        public void closed(String reason) {
            if (!isWritten) {
                exchange.fail(ApiError.internal("the blocks could not be written: " + reason));
            }
        }
    }
}
