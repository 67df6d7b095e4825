package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.openai.ApiError;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.ops.simulate.SimulatedConnection;
import dev.tandem.ops.simulate.SimulatedHost;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** One life of a prefill node: computes prompts, lends what it computed, or writes it into a decode node's blocks. */
final class PrefillLife implements HttpNode.Life {
    static final int KV_PORT = 9100;
    static final long LEASE_NS = 30_000_000_000L;
    private static final long TRANSFER_NS = 10_000_000_000L;

    private final HttpNode node;
    private final SimulatedHost host;
    private final Map<Long, Lease> leases = new HashMap<>();
    private final Set<String> computing = new HashSet<>();
    private final Set<String> cancelled = new HashSet<>();

    /** What is lent. */
    private record Lease(String requestId, String prompt) {}

    PrefillLife(HttpNode node, SimulatedHost host) {
        this.node = node;
        this.host = host;
        host.network().listen(host, KV_PORT, Lending::new);
    }

    @Override
    public void complete(NodeRequest request) {
        boolean isForDecode = request.role() instanceof HandoffRole.Lend || request.role() instanceof HandoffRole.Push;
        if (!isForDecode || request.maxTokens() != 1) {
            throw ApiError.badRequest("a prefill node was asked for something else: " + request.body(), null);
        }
        computing.add(request.id());
        long computeNs =
                (long) (node.traits().computeNs() * (0.5 + node.random().nextDouble()));
        host.after(computeNs, "prefill computed", () -> {
            computing.remove(request.id());
            if (cancelled.remove(request.id())) {
                request.exchange().fail(ApiError.internal("the request was cancelled"));
            } else if (!request.exchange().isGone()) {
                computed(request);
            }
        });
    }

    private void computed(NodeRequest request) {
        if (request.role() instanceof HandoffRole.Push(HandoffTicket target)) {
            host.network()
                    .connect(
                            host,
                            target.host(),
                            target.port(),
                            "kv",
                            connection -> new Pushing(connection, request, target.blockIds()[0]));
        } else {
            answer(request, Optional.of(lend(request)));
        }
    }

    private Map<String, Object> lend(NodeRequest request) {
        long lease = node.random().nextLong(1, HandoffTicket.MAX_BLOCK_ID);
        leases.put(lease, new Lease(request.id(), request.text()));
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
        return new HandoffTicket(node.address(), node.address(), KV_PORT, new long[] {lease}, -1, Map.of()).toParams();
    }

    private void answer(NodeRequest request, Optional<Map<String, Object>> params) {
        var answer = new NodeAnswer(node, request);
        answer.add("x");
        answer.finish("length", node.runs().add(NodeRuns.Origin.LOCAL), Optional.empty(), params);
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
        private final NodeRequest request;
        private final long block;
        private boolean isWritten;

        Pushing(SimulatedConnection connection, NodeRequest request, long block) {
            this.connection = connection;
            this.request = request;
            this.block = block;
            request.exchange().onDisconnect(() -> connection.close("the request was called off"));
            host.after(TRANSFER_NS, "push limit", () -> connection.close("it took too long"));
        }

        @Override
        public void opened() {
            connection.send(new KvMessage.Write(block, request.text()), 10_000);
        }

        @Override
        public void received(Object message) {
            if (((KvMessage.Written) message).wasAwaited()) {
                isWritten = true;
                long laterNs = (long) (node.traits().computeNs() * node.random().nextDouble());
                host.after(laterNs, "prefill answer", () -> answer(request, Optional.empty()));
            } else {
                request.exchange().fail(ApiError.internal("nobody waits for these blocks"));
            }
            connection.close("written");
        }

        @Override
        public void closed(String reason) {
            if (!isWritten) {
                request.exchange().fail(ApiError.internal("the blocks could not be written: " + reason));
            }
        }
    }
}
