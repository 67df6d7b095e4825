package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.WarmNode;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import tools.jackson.databind.node.ObjectNode;

/**
 * The prompts of a golden checkpoint, asked over and over of a guide's deployment.
 *
 * @param model with the prompts
 * @param served its name there
 * @param maxTokens of each answer
 */
record GuideQuestions(Golden model, String served, int maxTokens) {
    private static final int REQUESTS = 32;

    /** Tokens that transformers gives. */
    List<List<Integer>> golden() {
        return IntStream.range(0, REQUESTS)
                .mapToObj(i -> prompt(i).generated().subList(0, maxTokens))
                .toList();
    }

    /** Tokens of one aggregated rank, which is started with these arguments of serve and closed. */
    List<List<Integer>> ofOneRank(List<String> flags) {
        var arguments = new ArrayList<>(List.of("serve", model.checkpoint().toString(), "--served-model-name", served));
        arguments.addAll(flags);
        try (var node = WarmNode.start(Loopback.next(), arguments, Map.of()).awaitReady()) {
            var tokens = new ArrayList<List<Integer>>();
            for (int i = 0; i < model.prompts().size(); i++) {
                tokens.add(Client.post(node.uri("/v1/completions"), request(i)).tokenIds());
            }
            return IntStream.range(0, REQUESTS)
                    .mapToObj(i -> tokens.get(i % tokens.size()))
                    .toList();
        }
    }

    /** Tokens that a proxy gives when it is asked all at once; each prompt must have been handed over. */
    List<List<Integer>> atOnce(URI proxy) {
        var replies = new ArrayList<CompletableFuture<Reply>>();
        for (int i = 0; i < REQUESTS; i++) {
            replies.add(Client.postAsync(
                    proxy.resolve("/v1/completions"), request(i).toString()));
        }
        var tokens = new ArrayList<List<Integer>>();
        for (int i = 0; i < REQUESTS; i++) {
            Reply reply = replies.get(i).join();
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
            if (prompt(i).ids().size() > 1) { // of one token there is nothing to hand over
                assertThat(reply.header("x-tandem-disaggregated")).isEqualTo("true");
            }
            tokens.add(reply.tokenIds());
        }
        return tokens;
    }

    private ObjectNode request(int index) {
        return Client.greedy(prompt(index).ids(), maxTokens).put("model", served);
    }

    private Prompt prompt(int index) {
        return model.prompts().get(index % model.prompts().size());
    }
}
