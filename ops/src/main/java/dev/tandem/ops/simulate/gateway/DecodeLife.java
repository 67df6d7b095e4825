package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.ops.simulate.SimulatedConnection;
import dev.tandem.ops.simulate.SimulatedHost;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** One life of a decode node: gets a prompt's KV from a prefill node, or asks for it, or computes it, and answers. */
final class DecodeLife implements ModelNode.Life {
    private static final long TRANSFER_NS = 5_000_000_000L;
    private static final long METASERVER_PAUSE_NS = 100_000_000L;
    private static final int METASERVER_TRIES = 3;
    private static final Duration METASERVER_SILENCE = Duration.ofSeconds(60);

    private final ModelNode node;
    private final SimulatedHost host;
    private final SimulatedHttp http;
    /** Requests that wait for blocks to be written. */
    private final Map<Long, Request> awaited = new HashMap<>();

    DecodeLife(ModelNode node, SimulatedHost host) {
        this.node = node;
        this.host = host;
        this.http = new SimulatedHttp(
                host, HttpClientConfig.DEFAULT.withSilence(METASERVER_SILENCE, METASERVER_SILENCE), call -> {});
        host.network().listen(host, ModelNode.KV_PORT, Receiving::new);
    }

    @Override
    public void complete(LoopExchange exchange, ObjectNode body) {
        var request = new Request(exchange, body);
        JsonNode params = body.path("kv_transfer_params");
        if (params.path("metaserver").isString()) {
            if (!node.runs().areFaultsOver()
                    && node.random().nextDouble() < node.traits().cachedShare()) {
                request.decode(request.prompt(), NodeRuns.Origin.CACHED);
            } else {
                request.ask(params.path("metaserver").stringValue());
            }
        } else if (params.path("remote_host").isString()) {
            long lease = params.path("remote_block_ids").path(0).asLong(-1);
            host.network()
                    .connect(
                            host,
                            params.path("remote_host").stringValue(),
                            params.path("remote_port").asInt(-1),
                            "kv",
                            connection -> new Fetching(connection, request, lease));
        } else {
            request.compute(NodeRuns.Origin.LOCAL);
        }
    }

    @Override
    public void cancel(String requestId) {
        // a decode node lends nothing
    }

    /** One request, from its arrival to its answer. */
    private final class Request {
        private final LoopExchange exchange;
        private final ObjectNode body;
        private final long block = node.random().nextLong(1, Long.MAX_VALUE);
        private boolean hasKv;

        Request(LoopExchange exchange, ObjectNode body) {
            this.exchange = exchange;
            this.body = body;
            exchange.onDisconnect(() -> awaited.remove(block));
        }

        String prompt() {
            return body.path("prompt").asString("");
        }

        void ask(String metaserver) {
            awaited.put(block, this);
            String id = "cmpl-" + exchange.header("X-Request-Id").orElseThrow() + "-0";
            String params = "{\"request_id\":\"" + id + "\",\"do_remote_prefill\":false,\"do_remote_decode\":true,"
                    + "\"remote_engine_id\":\"" + node.address() + "\",\"remote_host\":\"" + node.address()
                    + "\",\"remote_port\":" + ModelNode.KV_PORT + ",\"remote_block_ids\":[" + block + "]}";
            URI url = URI.create(metaserver);
            HttpCall call = HttpCall.postJson(
                    new HttpAddress(url.getHost(), url.getPort()),
                    url.getPath(),
                    params.getBytes(StandardCharsets.UTF_8));
            post(call, METASERVER_TRIES);
            if (!node.runs().areFaultsOver() && node.random().nextInt(20) == 0) {
                host.after(METASERVER_PAUSE_NS, "metaserver twice", () -> post(call, 1));
            }
        }

        private void post(HttpCall call, int tries) {
            if (exchange.isGone() || hasKv) {
                return;
            }
            http.startOnLoop(call, new ReplyListener() {
                private int status;

                @Override
                public void head(ReplyHead head) {
                    status = head.status();
                }

                @Override
                public void chunk(byte[] bytes) {
                    // what it says in words is for the log
                }

                @Override
                public void end() {
                    told(status);
                }

                @Override
                public void failed(ApiException failure) {
                    if (failure.kind() == ApiException.Kind.CONNECT && tries > 1) {
                        host.after(METASERVER_PAUSE_NS, "metaserver again", () -> post(call, tries - 1));
                    } else {
                        told(0);
                    }
                }
            });
        }

        /** What the metaserver says; a node that is not ours does not care and waits on. */
        private void told(int status) {
            if (status != 200) {
                if (node.traits().isTandem()) {
                    failTransfer();
                }
            } else {
                host.after(TRANSFER_NS, "push awaited", this::failTransfer);
            }
        }

        private void failTransfer() {
            awaited.remove(block);
            if (hasKv || exchange.isOver()) {
                return;
            }
            if (node.traits().recomputes()) {
                compute(NodeRuns.Origin.RECOMPUTED);
            } else {
                exchange.fail(ApiError.internal("the prompt's KV could not be had"));
            }
        }

        void compute(NodeRuns.Origin origin) {
            hasKv = true;
            host.after(node.traits().computeNs(), "decode computed", () -> decode(prompt(), origin));
        }

        void decode(String prompt, NodeRuns.Origin origin) {
            hasKv = true;
            if (!exchange.isOver()) {
                new ModelAnswer(node, host, exchange, body).begin(prompt, origin);
            }
        }
    }

    /** Reads what a prefill node lends. */
    private final class Fetching implements SimulatedConnection.Handler {
        private final SimulatedConnection connection;
        private final Request request;
        private final long lease;

        Fetching(SimulatedConnection connection, Request request, long lease) {
            this.connection = connection;
            this.request = request;
            this.lease = lease;
            request.exchange.onDisconnect(() -> connection.close("the request was called off"));
            host.after(TRANSFER_NS, "pull limit", () -> connection.close("it took too long"));
        }

        @Override
        public void opened() {
            connection.send(new KvMessage.Fetch(lease), 100);
        }

        @Override
        public void received(Object message) {
            if (message instanceof KvMessage.Content(String prompt) && !request.hasKv) {
                request.decode(prompt, NodeRuns.Origin.HANDED_OFF);
                connection.send(new KvMessage.Done(lease), 100);
            }
            connection.close("read");
        }

        @Override
        public void closed(String reason) {
            request.failTransfer();
        }
    }

    /** A prefill node that writes. */
    private final class Receiving implements SimulatedConnection.Handler {
        private final SimulatedConnection connection;

        Receiving(SimulatedConnection connection) {
            this.connection = connection;
        }

        @Override
        public void opened() {
            // the writer speaks first
        }

        @Override
        public void received(Object message) {
            var write = (KvMessage.Write) message;
            Request request = awaited.remove(write.block());
            connection.send(new KvMessage.Written(request != null), 10);
            if (request != null) {
                request.decode(write.prompt(), NodeRuns.Origin.HANDED_OFF);
            }
        }

        @Override
        public void closed(String reason) {
            // the writer has its answer, or has gone
        }
    }
}
