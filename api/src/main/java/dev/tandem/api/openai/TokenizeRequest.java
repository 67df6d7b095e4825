package dev.tandem.api.openai;

import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.node.ObjectNode;

/**
 * A body of {@code POST /tokenize}.
 *
 * @param model name as sent
 * @param text what to tokenise
 * @param addsSpecialTokens {@code add_special_tokens}
 * @param returnsTokenTexts {@code return_token_strs}
 */
public record TokenizeRequest(
        Optional<String> model, Source text, boolean addsSpecialTokens, boolean returnsTokenTexts) {
    /** A text or a conversation. */
    public sealed interface Source {
        /** {@code prompt}. */
        record PlainText(String text) implements Source {}

        /** {@code messages} and the template's other variables. */
        record Conversation(Map<String, Object> templateVariables) implements Source {}
    }

    /**
     * Reads a body.
     *
     * @throws ApiError 400 that names the field
     */
    public static TokenizeRequest read(ObjectNode body) {
        var fields = new Fields(body);
        boolean isChat = fields.node("messages").isPresent();
        Source source = isChat
                ? new Source.Conversation(ChatRequest.templateVariables(fields))
                : new Source.PlainText(fields.string("prompt")
                        .orElseThrow(() -> fields.invalid("prompt", "prompt or messages is missing")));
        return new TokenizeRequest(
                fields.string("model"),
                source,
                fields.bool("add_special_tokens", !isChat),
                fields.bool("return_token_strs", false));
    }
}
