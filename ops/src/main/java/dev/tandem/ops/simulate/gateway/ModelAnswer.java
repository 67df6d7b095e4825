package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.openai.ApiError;
import dev.tandem.ops.simulate.SimulatedHost;
import java.util.Locale;
import java.util.Optional;

/**
 * The tokens of a model node: a function of the prompt (as its KV has it), the seed and the position, so that a client knows what it must get.
 */
final class ModelAnswer {
    private final HttpNode node;
    private final SimulatedHost host;
    private final NodeRequest request;
    private final NodeAnswer answer;

    ModelAnswer(HttpNode node, SimulatedHost host, NodeRequest request) {
        this.node = node;
        this.host = host;
        this.request = request;
        this.answer = new NodeAnswer(node, request);
    }

    /** What the token at a position is. */
    static String token(String prompt, long seed, int position) {
        return prompt + "/" + seed + ":" + position + " ";
    }

    void begin(String prompt, NodeRuns.Origin origin) {
        int run = node.runs().add(origin);
        host.network()
                .trace(
                        node.address(),
                        "answers " + request.id() + ", " + origin.name().toLowerCase(Locale.ROOT));
        boolean isStream = request.stream().isPresent();
        if (isStream) {
            answer.begin();
        }
        tell(new Run(prompt, run, origin, isStream ? breaksAt() : Integer.MAX_VALUE), 0);
    }

    /** The position at which a stream ends without its end; behind all tokens for none. */
    private int breaksAt() {
        boolean breaks = !node.runs().areFaultsOver()
                && node.random().nextDouble() < node.traits().brokenStreamShare();
        return breaks ? node.random().nextInt(request.maxTokens() + 1) : Integer.MAX_VALUE;
    }

    /** What stays the same from token to token. */
    private record Run(String prompt, int number, NodeRuns.Origin origin, int breaksAt) {}

    private void tell(Run run, int position) {
        if (request.exchange().isOver()) {
            return;
        }
        if (position == run.breaksAt()) {
            boolean saysWhy = node.random().nextBoolean();
            answer.breakOff(
                    saysWhy ? Optional.of(ApiError.internal("the engine failed")) : Optional.empty(),
                    saysWhy && node.random().nextBoolean());
        } else if (position < request.maxTokens()) {
            answer.add(token(run.prompt(), request.seed(), position));
            host.after(node.traits().tokenNs(), "token", () -> tell(run, position + 1));
        } else {
            boolean saysRecomputed = run.origin() == NodeRuns.Origin.RECOMPUTED;
            answer.finish(
                    "length", run.number(), saysRecomputed ? Optional.of("no KV") : Optional.empty(), Optional.empty());
        }
    }
}
