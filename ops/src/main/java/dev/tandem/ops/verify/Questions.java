package dev.tandem.ops.verify;

import java.util.OptionalInt;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The requests of a verification. Pure.
 *
 * @param model served name
 * @param prompt the question
 */
record Questions(String model, String prompt) {
    static final String COMPLETIONS = "/v1/completions";
    static final String CHAT = "/v1/chat/completions";

    private static final int GUIDE_TOKENS = 100;
    private static final int COMPARED_TOKENS = 32;
    private static final int UNIQUE_CHARACTERS = 600;

    /** The guides' request: 100 tokens at temperature 0. */
    ObjectNode guide() {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.put("model", model);
        body.put("prompt", prompt);
        body.put("max_tokens", GUIDE_TOKENS);
        body.put("temperature", 0);
        return body;
    }

    /** The guides' request as a stream. */
    ObjectNode guideStreamed() {
        return streamed(guide());
    }

    /** The question as a chat, as a stream. */
    ObjectNode chat() {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.put("model", model);
        body.putArray("messages").addObject().put("role", "user").put("content", prompt);
        body.put("max_tokens", COMPARED_TOKENS);
        body.put("temperature", 0);
        return streamed(body);
    }

    /**
     * A greedy request whose prompt no prefix cache has, so that all of its KV must be handed off; it shows its token ids where the server
     * can.
     *
     * @param tag what makes it different from all others; stands first
     * @param maxModelLength tokens of prompt and answer together, where the server tells
     */
    ObjectNode unique(String tag, OptionalInt maxModelLength) {
        // A character is at most 3 tokens or so; the answer needs room too.
        int characters = Math.min(UNIQUE_CHARACTERS, Math.max(tag.length(), maxModelLength.orElse(4096) / 4));
        var text = new StringBuilder(tag);
        while (text.length() < characters) {
            text.append(' ').append(prompt.isBlank() ? "?" : prompt);
        }
        ObjectNode body = guide();
        body.put("prompt", text.substring(0, text.offsetByCodePoints(0, cut(text, characters))));
        body.put("max_tokens", COMPARED_TOKENS);
        body.put("ignore_eos", true);
        body.put("return_token_ids", true);
        return body;
    }

    /** Whole characters in so many chars: a surrogate pair is not cut. */
    private static int cut(StringBuilder text, int chars) {
        return text.codePointCount(0, Character.isHighSurrogate(text.charAt(chars - 1)) ? chars - 1 : chars);
    }

    private static ObjectNode streamed(ObjectNode body) {
        body.put("stream", true);
        body.putObject("stream_options").put("include_usage", true);
        return body;
    }
}
