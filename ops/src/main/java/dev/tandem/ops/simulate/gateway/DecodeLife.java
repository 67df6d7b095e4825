package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.StrictJson;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.PlainJson;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.ops.simulate.SimulatedConnection;
import dev.tandem.ops.simulate.SimulatedHost;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** One life of a decode node: gets a prompt's KV from a prefill node, or asks for it, or computes it, and answers. */
final class DecodeLife implements HttpNode.Life {
    private static final long TRANSFER_NS = 5_000_000_000L;
    private static final long METASERVER_PAUSE_NS = 100_000_000L;
    private static final Duration METASERVER_SILENCE = Duration.ofSeconds(60);

    private final HttpNode node;
    private final SimulatedHost host;
    private final SimulatedHttp http;
    /** Requests that wait for blocks to be written. */
    private final Map<Long, Request> awaited = new HashMap<>();

    DecodeLife(HttpNode node, SimulatedHost host) {
        this.node = node;
        this.host = host;
        this.http = new SimulatedHttp(
                host, HttpClientConfig.DEFAULT.withSilence(METASERVER_SILENCE, METASERVER_SILENCE), call -> {});
        host.network().listen(host, PrefillLife.KV_PORT, Receiving::new);
    }

    @Override
    public void complete(NodeRequest asked) {
        var request = new Request(asked);
        switch (asked.role()) {
            case HandoffRole.Receive receive -> {
                if (!node.runs().areFaultsOver()
                        && node.random().nextDouble() < node.traits().cachedShare()) {
                    request.decode(asked.text(), NodeRuns.Origin.CACHED);
                } else {
                    request.ask(receive.metaserver());
                }
            }
            case HandoffRole.Fetch(HandoffTicket ticket) ->
                host.network()
                        .connect(
                                host,
                                ticket.host(),
                                ticket.port(),
                                "kv",
                                connection -> new Fetching(connection, request, ticket.blockIds()[0]));
            case HandoffRole.None none -> request.compute(NodeRuns.Origin.LOCAL);
            case HandoffRole.Lend lend -> throw ApiError.badRequest("a decode node lends nothing", null);
            case HandoffRole.Push push -> throw ApiError.badRequest("a decode node pushes nothing", null);
        }
    }

    @Override
    public void cancel(String requestId) {
        // a decode node lends nothing
    }

    /** One request, from its arrival to its answer. */
    private final class Request {
        private final NodeRequest asked;
        private final LoopExchange exchange;
        private final long block = node.random().nextLong(1, HandoffTicket.MAX_BLOCK_ID);
        private boolean hasKv;

        Request(NodeRequest asked) {
            this.asked = asked;
            this.exchange = asked.exchange();
            exchange.onDisconnect(() -> awaited.remove(block));
        }

        void ask(String metaserver) {
            awaited.put(block, this);
            Map<String, Object> params = new HandoffTicket(
                            node.address(), node.address(), PrefillLife.KV_PORT, new long[] {block}, -1, Map.of())
                    .toParams();
            params.put("request_id", asked.sequenceId());
            params.put("do_remote_prefill", false);
            params.put("do_remote_decode", true);
            byte[] json = StrictJson.bytes(PlainJson.tree(params));
            new MetaserverPost(http, metaserver, json, this::told).send();
            if (!node.runs().areFaultsOver() && node.random().nextInt(20) == 0) {
                host.after(METASERVER_PAUSE_NS, "metaserver twice", () -> {
                    if (!exchange.isGone() && !hasKv) {
                        new MetaserverPost(http, metaserver, json, this::told).send();
                    }
                });
            }
        }

        /** What the metaserver says; a node that is not ours does not care and waits on. */
        private void told(Optional<String> refusal) {
            if (refusal.isPresent()) {
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
                compute(node.recomputed());
            } else {
                exchange.fail(ApiError.internal("the prompt's KV could not be had"));
            }
        }

        void compute(NodeRuns.Origin origin) {
            hasKv = true;
            host.after(node.traits().computeNs(), "decode computed", () -> decode(asked.text(), origin));
        }

        void decode(String prompt, NodeRuns.Origin origin) {
            hasKv = true;
            if (!exchange.isOver()) {
                new ModelAnswer(node, host, asked).begin(prompt, origin);
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
