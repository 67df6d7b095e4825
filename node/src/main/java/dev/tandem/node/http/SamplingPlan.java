package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.checkpoint.ModelConfig.GenerationDefaults;
import dev.tandem.engine.request.SamplingOptions;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** Turns a request's fields and the model's defaults into the engine's sampling options. Pure. */
final class SamplingPlan {
    private static final GenerationDefaults NEUTRAL = new GenerationDefaults(
            Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

    private SamplingPlan() {}

    /**
     * Options of one sequence.
     *
     * @param promptTokens tokens of its prompt
     * @param choice index among the request's {@code n}, which shifts the seed
     * @throws ApiError 400 that names the field and the limit
     */
    static SamplingOptions of(ServedModel model, GenerationFields fields, int promptTokens, int choice) {
        GenerationDefaults defaults = model.limits().usesCheckpointDefaults()
                ? model.config().tokens().defaults()
                : NEUTRAL;
        GenerationFields.Filters asked = fields.sampling().filters();
        GenerationFields.Penalties penalties = fields.sampling().penalties();
        int askedTopK = asked.topK().orElse(defaults.topK().orElse(0));
        OptionalLong seed = fields.sampling().seed();
        model.requireIds(List.copyOf(fields.sampling().logitBias().keySet()), "logit_bias");
        model.requireIds(fields.stopping().tokenIds(), "stop_token_ids");
        return new SamplingOptions(
                maxTokens(model, fields.stopping(), promptTokens),
                fields.stopping().minTokens(),
                new SamplingOptions.Filters(
                        asked.temperature().orElse(or(defaults.temperature(), 1f)),
                        asked.topP().orElse(or(defaults.topP(), 1f)),
                        Math.max(0, askedTopK),
                        asked.minP().orElse(or(defaults.minP(), 0f))),
                new SamplingOptions.Penalties(
                        penalties.repetition().orElse(or(defaults.repetitionPenalty(), 1f)),
                        penalties.presence().orElse(0f),
                        penalties.frequency().orElse(0f)),
                fields.sampling().logitBias(),
                seed.isPresent() ? OptionalLong.of(seed.getAsLong() + choice) : OptionalLong.empty(),
                new SamplingOptions.Stop(
                        new HashSet<>(fields.stopping().tokenIds()),
                        fields.stopping().ignoresEndOfText()),
                topLogprobs(model, fields.output()));
    }

    private static float or(Optional<Double> value, float otherwise) {
        return value.map(Double::floatValue).orElse(otherwise);
    }

    private static int maxTokens(ServedModel model, GenerationFields.Stopping stopping, int promptTokens) {
        OptionalInt asked = stopping.maxTokens();
        int context = model.limits().maxModelLength();
        int left = context - promptTokens;
        if (left < 1) {
            throw ApiError.badRequest(
                    "the prompt has " + promptTokens + " tokens, which leaves no room in the context of " + context,
                    "prompt");
        }
        if (asked.isPresent() && asked.getAsInt() > left) {
            throw ApiError.badRequest(
                    stopping.maxTokensField() + " " + asked.getAsInt() + " exceeds " + left + " left of context "
                            + context + " after a prompt of " + promptTokens,
                    stopping.maxTokensField());
        }
        return asked.orElse(left);
    }

    private static OptionalInt topLogprobs(ServedModel model, GenerationFields.Output output) {
        OptionalInt asked = output.topLogprobs();
        int most = model.limits().maxLogprobs();
        if (asked.isPresent() && asked.getAsInt() > most) {
            throw ApiError.badRequest(
                    output.topLogprobsField() + " " + asked.getAsInt() + " exceeds --max-logprobs " + most,
                    output.topLogprobsField());
        }
        return asked;
    }
}
