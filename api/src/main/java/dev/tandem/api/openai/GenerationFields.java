package dev.tandem.api.openai;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import tools.jackson.databind.JsonNode;

/**
 * The fields that completions and chat share.
 *
 * @param sampling how tokens are chosen; empty where the request says nothing and the model's defaults apply
 * @param stopping what ends a generation
 * @param output what the reply looks like
 * @param kvTransferParams this node's part in a prefill/decode exchange
 */
public record GenerationFields(
        Sampling sampling, Stopping stopping, Output output, Optional<Map<String, Object>> kvTransferParams) {
    /** Most sequences that one request may ask for. */
    public static final int MAX_CHOICES = 128;

    private static final int MAX_STOP_STRINGS = 64;
    private static final int MAX_STOP_LENGTH = 4096;
    private static final int MAX_STOP_IDS = 1024;
    private static final int MAX_BIASED_TOKENS = 1024;

    /**
     * How tokens are chosen.
     *
     * @param filters temperature and truncation
     * @param penalties on tokens already seen
     * @param logitBias by token id
     * @param seed of this request
     */
    public record Sampling(Filters filters, Penalties penalties, Map<Integer, Float> logitBias, OptionalLong seed) {}

    /** Temperature and truncation, empty where the model's defaults apply. */
    public record Filters(Optional<Float> temperature, Optional<Float> topP, OptionalInt topK, Optional<Float> minP) {}

    /** Penalties, empty where the model's defaults apply. */
    public record Penalties(Optional<Float> repetition, Optional<Float> presence, Optional<Float> frequency) {}

    /**
     * What ends a generation.
     *
     * @param maxTokensField what the request calls the next one
     * @param maxTokens most tokens; empty: the reply's kind has a default
     * @param minTokens end tokens are not chosen before
     * @param strings texts that end it
     * @param tokenIds ids that end it
     * @param ignoresEndOfText end tokens do not end it
     */
    public record Stopping(
            String maxTokensField,
            OptionalInt maxTokens,
            int minTokens,
            List<String> strings,
            List<Integer> tokenIds,
            boolean ignoresEndOfText) {}

    /**
     * What the reply looks like.
     *
     * @param choices {@code n}
     * @param stream present when tokens are sent as they come
     * @param text how tokens become text
     * @param topLogprobsField what the request calls the next one
     * @param topLogprobs alternatives per token; empty for no logprobs
     * @param tokenIds {@code return_token_ids}
     */
    public record Output(
            int choices,
            Optional<Stream> stream,
            TextOutput text,
            String topLogprobsField,
            OptionalInt topLogprobs,
            TokenIds tokenIds) {}

    /** {@code stream_options}. */
    public record Stream(boolean includesUsage, boolean hasContinuousUsage) {}

    /** {@code skip_special_tokens} and {@code include_stop_str_in_output}. */
    public record TextOutput(boolean skipsSpecialTokens, boolean includesStopString) {}

    /** {@code return_token_ids} and {@code return_tokens_as_token_ids}. */
    public record TokenIds(boolean areReturned, boolean replaceTokenText) {}

    /** The same without texts and ids that end a generation. */
    public GenerationFields withoutStops() {
        var endless = new Stopping(
                stopping.maxTokensField(),
                stopping.maxTokens(),
                stopping.minTokens(),
                List.of(),
                List.of(),
                stopping.ignoresEndOfText());
        return new GenerationFields(sampling, endless, output, kvTransferParams);
    }

    /**
     * Reads the shared fields.
     *
     * @param maxTokensField what this kind of request, or this one, calls {@code maxTokens}
     * @param topLogprobsField what this kind of request calls {@code topLogprobs}
     */
    static GenerationFields read(
            Fields fields,
            String maxTokensField,
            OptionalInt maxTokens,
            String topLogprobsField,
            OptionalInt topLogprobs) {
        refuseUnsupported(fields);
        return new GenerationFields(
                new Sampling(
                        filters(fields),
                        penalties(fields),
                        logitBias(fields),
                        fields.wholeNumber("seed", Long.MIN_VALUE, Long.MAX_VALUE)),
                stopping(fields, maxTokensField, maxTokens),
                output(fields, topLogprobsField, topLogprobs),
                fields.plainObject("kv_transfer_params"));
    }

    private static Filters filters(Fields fields) {
        Optional<Float> temperature = fields.number("temperature", 0, 2);
        Optional<Float> topP = fields.number("top_p", 0, 1);
        if (topP.isPresent() && topP.get() == 0) {
            throw fields.invalid("top_p", "top_p 0 is outside (0, 1]");
        }
        OptionalInt topK = fields.integer("top_k", -1, Integer.MAX_VALUE);
        return new Filters(temperature, topP, topK, fields.number("min_p", 0, 1));
    }

    private static Penalties penalties(Fields fields) {
        Optional<Float> repetition = fields.number("repetition_penalty", 0, 2);
        if (repetition.isPresent() && repetition.get() == 0) {
            throw fields.invalid("repetition_penalty", "repetition_penalty 0 is outside (0, 2]");
        }
        return new Penalties(
                repetition, fields.number("presence_penalty", -2, 2), fields.number("frequency_penalty", -2, 2));
    }

    private static Map<Integer, Float> logitBias(Fields fields) {
        Optional<Fields> object = fields.object("logit_bias");
        if (object.isEmpty()) {
            return Map.of();
        }
        if (object.get().tree().size() > MAX_BIASED_TOKENS) {
            throw fields.invalid(
                    "logit_bias",
                    "logit_bias has " + object.get().tree().size() + " entries, more than " + MAX_BIASED_TOKENS);
        }
        var bias = new HashMap<Integer, Float>();
        for (String name : object.get().tree().propertyNames()) {
            try {
                bias.put(
                        Integer.parseInt(name),
                        object.get().number(name, -100, 100).orElse(0f));
            } catch (NumberFormatException e) {
                throw fields.invalid("logit_bias", "logit_bias has the key \"" + name + "\", which is not a token id");
            }
        }
        return Map.copyOf(bias);
    }

    private static Stopping stopping(Fields fields, String maxTokensField, OptionalInt maxTokens) {
        int minTokens = fields.integer("min_tokens", 0, Integer.MAX_VALUE).orElse(0);
        if (maxTokens.isPresent() && minTokens > maxTokens.getAsInt()) {
            throw fields.invalid(
                    "min_tokens",
                    "min_tokens " + minTokens + " exceeds " + maxTokensField + " " + maxTokens.getAsInt());
        }
        List<String> stop = fields.strings("stop", MAX_STOP_STRINGS);
        if (stop.contains("")) {
            throw fields.invalid("stop", "stop has an empty string");
        }
        for (String one : stop) {
            if (one.length() > MAX_STOP_LENGTH) { // each token is compared with the stop strings
                throw fields.invalid(
                        "stop", "stop has a string of " + one.length() + " characters, more than " + MAX_STOP_LENGTH);
            }
        }
        return new Stopping(
                maxTokensField,
                maxTokens,
                minTokens,
                stop,
                fields.tokenIds("stop_token_ids", MAX_STOP_IDS),
                fields.bool("ignore_eos", false));
    }

    private static Output output(Fields fields, String topLogprobsField, OptionalInt topLogprobs) {
        int choices = fields.integer("n", 1, MAX_CHOICES).orElse(1);
        int bestOf = fields.integer("best_of", 1, MAX_CHOICES).orElse(choices);
        if (bestOf != choices) {
            throw fields.invalid(
                    "best_of", "best_of " + bestOf + " differs from n " + choices + ": it is not supported");
        }
        return new Output(
                choices,
                stream(fields),
                new TextOutput(
                        fields.bool("skip_special_tokens", true), fields.bool("include_stop_str_in_output", false)),
                topLogprobsField,
                topLogprobs,
                new TokenIds(fields.bool("return_token_ids", false), fields.bool("return_tokens_as_token_ids", false)));
    }

    private static Optional<Stream> stream(Fields fields) {
        boolean isStream = fields.bool("stream", false);
        Optional<Fields> options = fields.object("stream_options");
        if (!isStream) {
            if (options.isPresent()) {
                throw fields.invalid("stream_options", "stream_options needs stream to be true");
            }
            return Optional.empty();
        }
        return Optional.of(new Stream(
                options.map(o -> o.bool("include_usage", false)).orElse(false),
                options.map(o -> o.bool("continuous_usage_stats", false)).orElse(false)));
    }

    private static void refuseUnsupported(Fields fields) {
        String decoding = "constrained decoding is not built";
        for (String name : List.of(
                "guided_json",
                "guided_regex",
                "guided_choice",
                "guided_grammar",
                "structured_outputs",
                "structural_tag")) {
            fields.refuse(name, decoding, "{}");
        }
        Optional<JsonNode> format = fields.node("response_format");
        if (format.isPresent() && !"text".equals(format.get().path("type").asString(""))) {
            throw fields.invalid("response_format", "response_format is not supported: " + decoding);
        }
        fields.refuse("use_beam_search", "beam search is not built", "false");
        fields.refuse("length_penalty", "beam search is not built", "1", "1.0");
        fields.refuse("prompt_logprobs", "prompt logprobs are not built");
        fields.refuse("truncate_prompt_tokens", "prompts are never cut", "-1");
        fields.refuse("allowed_token_ids", decoding);
        fields.refuse("bad_words", decoding, "[]");
        fields.refuse("logits_processors", "code in requests is not run", "[]");
        fields.refuse("priority", "all requests are served in order", "0");
        fields.refuse("cache_salt", "the prefix cache has no salts");
        fields.refuse("spaces_between_special_tokens", "special tokens get no blanks between them", "true");
        fields.refuse("echo", "a reply holds the new text only", "false");
    }
}
