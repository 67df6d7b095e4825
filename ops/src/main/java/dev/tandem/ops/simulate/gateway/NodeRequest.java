package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.CompletionRequest;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.RequestId;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import java.util.Map;
import java.util.Optional;

/**
 * A request for a completion that has come to a node.
 *
 * @param exchange to be answered
 * @param body what is asked for, of one sequence
 * @param role the node's part in a handoff
 */
record NodeRequest(LoopExchange exchange, CompletionRequest body, HandoffRole role) {
    /** @throws ApiError 400 when it is not a request for one sequence */
    static NodeRequest of(LoopExchange exchange) {
        CompletionRequest body = CompletionRequest.read(StrictJson.object(exchange.body()));
        if (body.prompts().size() != 1 || body.generation().output().choices() != 1) {
            throw ApiError.badRequest("a node was asked for several sequences", "prompt");
        }
        try {
            Map<String, Object> params = body.generation().kvTransferParams().orElse(Map.of());
            return new NodeRequest(exchange, body, HandoffParams.parse(params));
        } catch (IllegalArgumentException e) {
            throw ApiError.badRequest(String.valueOf(e.getMessage()), "kv_transfer_params");
        }
    }

    /** What it is called on its hop. */
    String id() {
        return exchange.header("X-Request-Id").orElseThrow();
    }

    /** What a node calls its sequence. */
    String sequenceId() {
        return RequestId.ofSequence(Kind.COMPLETION, id(), 0);
    }

    /** Its prompt, where that is text. */
    String text() {
        return ((CompletionRequest.Prompt.Text) body.prompts().getFirst()).text();
    }

    /** Its prompt, where that is token ids. */
    int[] tokenIds() {
        return ((CompletionRequest.Prompt.Ids) body.prompts().getFirst())
                .ids().stream().mapToInt(Integer::intValue).toArray();
    }

    int maxTokens() {
        return body.generation().stopping().maxTokens().orElseThrow();
    }

    long seed() {
        return body.generation().sampling().seed().orElse(0);
    }

    Optional<GenerationFields.Stream> stream() {
        return body.generation().output().stream();
    }
}
