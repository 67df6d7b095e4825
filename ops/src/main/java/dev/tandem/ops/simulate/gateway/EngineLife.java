package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.StrictJson;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.openai.PlainJson;
import dev.tandem.api.openai.RequestId;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.node.http.EngineErrors;
import dev.tandem.ops.simulate.ServedRequest;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.ops.simulate.SimulatedNode;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;

/** One life of a node with a real engine: requests, answers and cancels of a gateway as our node's endpoints take them, without their threads. */
final class EngineLife implements HttpNode.Life {
    private static final Duration SILENCE = Duration.ofSeconds(60);

    private final HttpNode node;
    private final EngineNodes nodes;
    private final SimulatedHttp http;
    private final SimulatedNode engine;

    EngineLife(HttpNode node, EngineNodes nodes, SimulatedHost host, SimulatedNode.Setup setup) {
        this.node = node;
        this.nodes = nodes;
        this.http = new SimulatedHttp(host, HttpClientConfig.DEFAULT.withSilence(SILENCE, SILENCE), call -> {});
        this.engine =
                new SimulatedNode(host, setup, this::invite, nodes.deployment().tampering()::transfers);
    }

    SimulatedNode engine() {
        return engine;
    }

    @Override
    public void complete(NodeRequest request) {
        new Running(request).begin();
    }

    @Override
    public void cancel(String requestId) {
        RequestId.ofSingleSequence(requestId).forEach(engine::cancelLease);
    }

    private Runnable invite(Invitation invitation, Consumer<Optional<String>> answered) {
        byte[] params = StrictJson.bytes(PlainJson.tree(invitation.params()));
        var post = new MetaserverPost(http, invitation.metaserver(), params, answered);
        engine.host().after(0, "invitation", post::send);
        engine.host().after(invitation.timeout().toNanos(), "invitation timeout", () -> post.end("no answer in time"));
        return () -> engine.host().after(0, "invitation called off", () -> post.end("called off"));
    }

    /** A request in the engine and the answer to it. */
    private final class Running {
        private final NodeRequest request;
        private final NodeAnswer answer;

        Running(NodeRequest request) {
            this.request = request;
            this.answer = new NodeAnswer(node, request);
        }

        void begin() {
            var asked = new Request(
                    request.sequenceId(),
                    request.tokenIds(),
                    SamplingOptions.greedy(request.maxTokens()),
                    request.role(),
                    nodes.requestTimeout(),
                    new ClientId(
                            request.exchange().peerHost(), request.exchange().client()));
            try {
                var served = new ServedRequest(engine, asked, nodes.slackNs(), this::happened);
                request.exchange().onDisconnect(served::close);
            } catch (EngineException refused) {
                throw EngineErrors.toApi(refused);
            }
        }

        private void happened(TokenEvent event) {
            switch (event) {
                case Token token -> answer.add(Prompts.TokenIds.spelled(token.id()));
                case Finished finished -> finished(finished);
                case Failed failed -> request.exchange().fail(EngineErrors.toApi(failed.cause()));
            }
        }

        private void finished(Finished finished) {
            TokenEvent.HandoffUsage handoff = finished.usage().handoff();
            NodeRuns.Origin origin = origin(handoff);
            answer.finish(
                    finished.reason().name().toLowerCase(Locale.ROOT),
                    node.runs().add(origin),
                    handoff.recomputeReason().filter(why -> origin == NodeRuns.Origin.RECOMPUTED),
                    finished.ticket().map(HandoffTicket::toParams));
        }

        private NodeRuns.Origin origin(TokenEvent.HandoffUsage handoff) {
            if (handoff.recomputeReason().isPresent()) {
                return node.recomputed();
            }
            return switch (request.role()) {
                // P has computed the prompt; whether D had it by then too, a gateway is not told
                case HandoffRole.Fetch fetch -> NodeRuns.Origin.HANDED_OFF;
                case HandoffRole.Receive receive ->
                    handoff.remoteTokens() > 0 ? NodeRuns.Origin.HANDED_OFF : NodeRuns.Origin.CACHED;
                case HandoffRole.None none -> NodeRuns.Origin.LOCAL;
                case HandoffRole.Lend lend -> NodeRuns.Origin.LOCAL;
                case HandoffRole.Push push -> NodeRuns.Origin.LOCAL;
            };
        }
    }
}
