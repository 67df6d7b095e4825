package dev.tandem.gateway.protocol;

import dev.tandem.api.server.LoopExchange;
import dev.tandem.gateway.relay.Answer;
import dev.tandem.trust.PeerTrust;
import java.util.random.RandomGenerator;

/**
 * D gets the request and posts the addresses of its blocks to the gateway's metaserver; the gateway then calls P, which writes each layer
 * into those blocks: vllm-ascend's layerwise proxy. Any thread.
 */
public final class DecodeThenPrefill implements PdProtocol {
    private final ExchangeParts parts;
    private final PendingPushes pushes;
    private final Metaserver metaserver;

    /**
     * Exchanges with the nodes of these parts.
     *
     * @param trust which decode nodes may post
     * @param unguessable what the ids that they post are drawn from
     */
    public DecodeThenPrefill(ExchangeParts parts, PeerTrust trust, RandomGenerator unguessable) {
        this.parts = parts;
        this.pushes = new PendingPushes(trust.secret(), unguessable);
        this.metaserver = new Metaserver(pushes, parts.meters(), trust);
    }

    /** Tells where decode nodes reach {@link #metaserver}: a URL. To be called before the first request can be served. */
    public void announce(String metaserverUrl) {
        pushes.announce(metaserverUrl);
    }

    @Override
    public void serve(ClientRequest request, Answer answer) {
        new PushExchange(parts, pushes, request, answer).route();
    }

    /** How many decode nodes may post: those of requests in flight that have not begun to answer. */
    public int expectedPosts() {
        return pushes.size();
    }

    /** Answers {@code POST /v1/metaserver} of decode nodes, on the event loop of their connection. */
    public void metaserver(LoopExchange node) {
        metaserver.handle(node);
    }
}
