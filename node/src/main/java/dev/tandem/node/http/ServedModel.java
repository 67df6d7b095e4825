package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.text.Tokenizer;
import dev.tandem.text.template.ChatTemplate;
import dev.tandem.text.template.TemplateException;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The model as requests see it: its names, its text side and its limits. Immutable, any thread.
 *
 * @param names served names, the first is shown
 * @param config the checkpoint's configuration
 * @param tokenizer text to ids and back
 * @param conversations how messages become text
 * @param limits of requests
 */
public record ServedModel(
        List<String> names, ModelConfig config, Tokenizer tokenizer, Conversations conversations, Limits limits) {
    /** Most characters of a text that a normalizer makes one of (Unicode, UAX #15). */
    private static final int CHARACTERS_COMPOSED = 4;

    /**
     * Limits of requests.
     *
     * @param maxModelLength prompt plus output, tokens
     * @param maxLogprobs most alternatives
     * @param usesCheckpointDefaults sampling defaults come from the checkpoint
     * @param seed base of drawn seeds
     */
    public record Limits(int maxModelLength, int maxLogprobs, boolean usesCheckpointDefaults, long seed) {}

    /**
     * How messages become text.
     *
     * @param template empty where there is none that can be used
     * @param refusal what to answer then
     */
    public record Conversations(Optional<ChatTemplate> template, String refusal) {}

    public ServedModel {
        names = List.copyOf(names);
    }

    /** The name that replies show. */
    public String name() {
        return names.getFirst();
    }

    /**
     * Checks the name that a request asks for; an absent one means this model.
     *
     * @throws ApiError 404 for another name
     */
    void requireName(Optional<String> asked) {
        if (asked.isPresent() && !names.contains(asked.get())) {
            throw ApiError.notFound(
                    "The model `" + asked.get() + "` does not exist; this node serves " + names, "model");
        }
    }

    /**
     * Checks the length of a text that is to be encoded.
     *
     * @throws ApiError 400 that names the field and the limit
     */
    void requireLength(String text, String field) {
        long anyPrompt = (long) CHARACTERS_COMPOSED * tokenizer.longestTokenLength() * limits.maxModelLength();
        if (text.length() > anyPrompt) {
            throw ApiError.badRequest(
                    field + " has " + text.length() + " characters, more than any prompt of " + limits.maxModelLength()
                            + " tokens has",
                    field);
        }
        if (text.length() > tokenizer.maxTextLength()) {
            throw ApiError.badRequest(
                    field + " has " + text.length() + " characters, more than the " + tokenizer.maxTextLength()
                            + " that the tokenizer takes",
                    field);
        }
    }

    /**
     * Checks the length of what is put into a template, which may leave some of it out.
     *
     * @throws ApiError 400 that names the limit
     */
    void requireLength(Map<String, Object> templateVariables) {
        long characters = ChatTemplate.countCharacters(templateVariables);
        long most = 2L * tokenizer.maxTextLength();
        if (characters > most) {
            throw ApiError.badRequest(
                    "messages and the template's other variables have " + characters + " characters, more than " + most,
                    "messages");
        }
    }

    /** Ids of a text whose length was checked. */
    int[] encode(String text, boolean addsSpecialTokens) {
        return tokenizer.encode(text, addsSpecialTokens);
    }

    /**
     * The text of a conversation.
     *
     * @throws ApiError 400 when the template refuses or there is none
     */
    String render(Map<String, Object> templateVariables) {
        ChatTemplate template =
                conversations.template().orElseThrow(() -> ApiError.badRequest(conversations.refusal(), "messages"));
        try {
            return template.render(templateVariables, LocalDateTime.now(ZoneId.systemDefault()));
        } catch (TemplateException e) {
            throw ApiError.badRequest("the chat template refuses: " + e.getMessage(), "messages");
        }
    }

    /**
     * Checks ids that a client sent.
     *
     * @throws ApiError 400 that names the id and the limit
     */
    void requireIds(List<Integer> ids, String field) {
        requireIds(ids, field, config.vocabularySize());
    }

    /** Checks ids against another limit: a tokenizer may know fewer ids than the embedding has rows. */
    void requireIds(List<Integer> ids, String field, int vocabularySize) {
        for (int id : ids) {
            if (id < 0 || id >= vocabularySize) {
                throw ApiError.badRequest(
                        field + " has the token id " + id + ", outside [0, " + (vocabularySize - 1) + "]", field);
            }
        }
    }
}
