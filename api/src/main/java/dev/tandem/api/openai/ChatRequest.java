package dev.tandem.api.openai;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A body of {@code POST /v1/chat/completions}.
 *
 * @param model name as sent; empty when absent
 * @param templateVariables what the chat template sees: {@code messages}, {@code tools}, {@code documents}, {@code
 *     add_generation_prompt} and the request's {@code chat_template_kwargs}
 * @param addsSpecialTokens {@code add_special_tokens}
 * @param generation shared fields
 */
public record ChatRequest(
        Optional<String> model,
        Map<String, Object> templateVariables,
        boolean addsSpecialTokens,
        GenerationFields generation) {
    private static final int MAX_MESSAGES = 10_000;
    private static final int MAX_LOGPROBS = 100;

    /**
     * Reads a body.
     *
     * @throws ApiError 400 that names the field
     */
    public static ChatRequest read(ObjectNode body) {
        var fields = new Fields(body);
        refuseUnsupported(fields);
        String maxTokensField = "max_completion_tokens";
        OptionalInt maxTokens = fields.integer(maxTokensField, 1, Integer.MAX_VALUE);
        if (maxTokens.isEmpty()) {
            maxTokensField = "max_tokens";
            maxTokens = fields.integer(maxTokensField, 1, Integer.MAX_VALUE);
        }
        return new ChatRequest(
                fields.string("model"),
                templateVariables(fields),
                fields.bool("add_special_tokens", false),
                GenerationFields.read(fields, maxTokensField, maxTokens, "top_logprobs", topLogprobs(fields)));
    }

    private static OptionalInt topLogprobs(Fields fields) {
        OptionalInt top = fields.integer("top_logprobs", 0, MAX_LOGPROBS);
        if (fields.bool("logprobs", false)) {
            return OptionalInt.of(top.orElse(0));
        }
        if (top.isPresent() && top.getAsInt() > 0) {
            throw fields.invalid("top_logprobs", "top_logprobs needs logprobs to be true");
        }
        return OptionalInt.empty();
    }

    /** The template's variables of a chat or tokenize body. */
    static Map<String, Object> templateVariables(Fields fields) {
        var variables = new LinkedHashMap<String, Object>();
        fields.plainObject("chat_template_kwargs").ifPresent(variables::putAll);
        variables.put("messages", messages(fields));
        plainList(fields, "tools").ifPresent(tools -> variables.put("tools", tools));
        plainList(fields, "documents").ifPresent(documents -> variables.put("documents", documents));
        variables.put("add_generation_prompt", fields.bool("add_generation_prompt", true));
        return variables;
    }

    private static Optional<Object> plainList(Fields fields, String name) {
        return fields.node(name).filter(node -> !node.isEmpty()).map(node -> {
            if (!node.isArray()) {
                throw fields.invalid(name, name + " must be a list");
            }
            return Fields.plain(node);
        });
    }

    private static List<Object> messages(Fields fields) {
        JsonNode messages =
                fields.node("messages").orElseThrow(() -> fields.invalid("messages", "messages is missing"));
        if (!messages.isArray() || messages.isEmpty() || messages.size() > MAX_MESSAGES) {
            throw fields.invalid("messages", "messages must be a list of 1 to " + MAX_MESSAGES + " messages");
        }
        var plain = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            plain.add(message(fields, messages.get(i), "messages[" + i + "]"));
        }
        return plain;
    }

    private static Map<String, Object> message(Fields fields, JsonNode message, String path) {
        if (!message.isObject() || !message.path("role").isString()) {
            throw fields.invalid(path, path + " must be an object with a role");
        }
        Map<String, Object> plain = Fields.plainMap(message);
        JsonNode content = message.path("content");
        if (content.isArray()) {
            plain.put("content", joinedParts(fields, content, path + ".content"));
        } else if (!content.isString() && !content.isNull() && !content.isMissingNode()) {
            throw fields.invalid(path + ".content", path + ".content must be a string or a list of text parts");
        }
        if (!plain.containsKey("content") && !plain.containsKey("tool_calls")) {
            plain.put("content", "");
        }
        return plain;
    }

    /** vLLM hands templates that expect strings the text parts joined by newlines. */
    private static String joinedParts(Fields fields, JsonNode parts, String path) {
        var texts = new ArrayList<String>();
        for (JsonNode part : parts) {
            if (part.isString()) {
                texts.add(part.stringValue());
            } else if ("text".equals(part.path("type").asString(""))
                    && part.path("text").isString()) {
                texts.add(part.path("text").stringValue());
            } else {
                throw fields.invalid(
                        path, path + " has a part of type " + part.path("type") + "; only text parts are supported");
            }
        }
        return String.join("\n", texts);
    }

    private static void refuseUnsupported(Fields fields) {
        fields.refuse("functions", "use of functions is not built", "[]");
        fields.refuse("function_call", "use of functions is not built", "\"none\"");
        fields.refuse("audio", "replies are text");
        fields.refuse("modalities", "replies are text", "[\"text\"]");
        fields.refuse("continue_final_message", "it is not built", "false");
        fields.refuse("chat_template", "templates in requests are not run; start the node with --chat-template");
        Optional<JsonNode> tools = fields.node("tools").filter(node -> !node.isEmpty());
        String choice =
                fields.node("tool_choice").map(node -> node.asString("")).orElse("auto");
        if (tools.isPresent() && !choice.equals("none")) {
            throw fields.invalid(
                    "tools",
                    "tools is not supported: tool calls are not parsed from replies; tool_choice \"none\" shows them to the model");
        }
        if (tools.isEmpty()) {
            fields.refuse("tool_choice", "there are no tools", "\"none\"", "\"auto\"");
        }
    }
}
