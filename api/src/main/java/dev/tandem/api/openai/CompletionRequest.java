package dev.tandem.api.openai;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A body of {@code POST /v1/completions}.
 *
 * @param model name as sent; empty when absent
 * @param prompts one or more
 * @param addsSpecialTokens {@code add_special_tokens}
 * @param generation shared fields
 */
public record CompletionRequest(
        Optional<String> model, List<Prompt> prompts, boolean addsSpecialTokens, GenerationFields generation) {
    /** Most prompts of one request. */
    public static final int MAX_PROMPTS = 1024;

    private static final int DEFAULT_MAX_TOKENS = 16;
    private static final int MAX_LOGPROBS = 100;

    /** A prompt as text or as token ids. */
    public sealed interface Prompt {
        /** Text, to be tokenised. */
        record Text(String text) implements Prompt {}

        /** Ids, used as they are. */
        record Ids(List<Integer> ids) implements Prompt {
            public Ids {
                ids = List.copyOf(ids);
            }
        }
    }

    /**
     * Reads a body.
     *
     * @throws ApiError 400 that names the field
     */
    public static CompletionRequest read(ObjectNode body) {
        var fields = new Fields(body);
        fields.refuse("suffix", "fill-in-the-middle is not built", "\"\"");
        fields.refuse("prompt_embeds", "prompts are text or token ids");
        OptionalInt maxTokens = OptionalInt.of(
                fields.integer("max_tokens", 1, Integer.MAX_VALUE).orElse(DEFAULT_MAX_TOKENS));
        return new CompletionRequest(
                fields.string("model"),
                prompts(fields),
                fields.bool("add_special_tokens", true),
                GenerationFields.read(
                        fields, "max_tokens", maxTokens, "logprobs", fields.integer("logprobs", 0, MAX_LOGPROBS)));
    }

    private static List<Prompt> prompts(Fields fields) {
        JsonNode prompt = fields.node("prompt").orElseThrow(() -> fields.invalid("prompt", "prompt is missing"));
        if (prompt.isString()) {
            return List.of(text(fields, prompt));
        }
        if (!prompt.isArray() || prompt.isEmpty()) {
            throw fields.invalid(
                    "prompt", "prompt must be a string, a list of token ids, or a non-empty list of either");
        }
        if (prompt.get(0).isNumber()) {
            return List.of(ids(fields, prompt));
        }
        if (prompt.size() > MAX_PROMPTS) {
            throw fields.invalid("prompt", "prompt has " + prompt.size() + " entries, more than " + MAX_PROMPTS);
        }
        var prompts = new ArrayList<Prompt>();
        for (JsonNode element : prompt) {
            prompts.add(element.isArray() ? ids(fields, element) : text(fields, element));
        }
        return List.copyOf(prompts);
    }

    private static Prompt text(Fields fields, JsonNode node) {
        if (!node.isString()) {
            throw fields.invalid("prompt", "prompt must hold strings or lists of token ids only");
        }
        return new Prompt.Text(node.stringValue());
    }

    private static Prompt ids(Fields fields, JsonNode node) {
        if (node.isEmpty()) {
            throw fields.invalid("prompt", "prompt has an empty list of token ids");
        }
        var ids = new ArrayList<Integer>(node.size());
        for (JsonNode id : node) {
            ids.add((int) fields.whole("prompt", id, 0, Integer.MAX_VALUE));
        }
        return new Prompt.Ids(ids);
    }
}
