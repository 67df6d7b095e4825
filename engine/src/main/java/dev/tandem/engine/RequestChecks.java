package dev.tandem.engine;

import dev.tandem.engine.handoff.RoleAdmission;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.PromptDigest;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.kv.KvPool;

/** What a request must keep to before it may enter an engine. Pure; called by the threads that submit. */
final class RequestChecks {
    private final EngineConfig config;
    private final int vocabularySize;
    private final int blockCount;
    private final int blockSize;

    RequestChecks(EngineConfig config, int vocabularySize, KvPool pool) {
        this.config = config;
        this.vocabularySize = vocabularySize;
        this.blockCount = pool.blockCount();
        this.blockSize = pool.layout().blockSize();
    }

    /** @throws EngineException INVALID or TOO_LONG, naming field and limit */
    void require(Request request) {
        require(!request.id().isBlank(), "a request needs an id");
        require(request.deadline().isPositive(), "deadline " + request.deadline() + " is not positive");
        require(request.promptTokenIds().length > 0, "the prompt is empty");
        for (int id : request.promptTokenIds()) {
            require(isToken(id), "prompt token id " + id + " is outside the vocabulary of " + vocabularySize);
        }
        requireSampling(request.sampling());
        requireRole(request);
        requireRoom(request);
    }

    private void requireSampling(SamplingOptions options) {
        require(options.maxTokens() >= 1, "max_tokens " + options.maxTokens() + " is below 1");
        require(
                options.minTokens() >= 0 && options.minTokens() <= options.maxTokens(),
                "min_tokens " + options.minTokens() + " is not between 0 and max_tokens " + options.maxTokens());
        requireRange("temperature", options.filters().temperature(), 0, Float.MAX_VALUE);
        requireRange("top_p", options.filters().topP(), Float.MIN_VALUE, 1);
        requireRange("min_p", options.filters().minP(), 0, 1);
        require(options.filters().topK() >= 0, "top_k " + options.filters().topK() + " is below 0");
        requireRange("repetition_penalty", options.penalties().repetition(), Float.MIN_VALUE, Float.MAX_VALUE);
        requireRange("presence_penalty", options.penalties().presence(), -2, 2);
        requireRange("frequency_penalty", options.penalties().frequency(), -2, 2);
        options.logitBias().forEach((id, bias) -> {
            require(isToken(id), "logit_bias token id " + id + " is outside the vocabulary of " + vocabularySize);
            requireRange("logit_bias", bias, -100, 100);
        });
        int logprobs = options.topLogprobs().orElse(0);
        require(
                logprobs >= 0 && logprobs <= vocabularySize,
                "logprobs " + logprobs + " is not between 0 and " + vocabularySize);
    }

    private void requireRole(Request request) {
        RoleAdmission.require(config.handoff(), request.handoff());
        if (request.handoff() instanceof HandoffRole.Push push) {
            requireSamePrompt(request, push.target());
        }
    }

    /** A decode node that made other tokens of the same text would decode from the wrong prompt's KV. */
    private static void requireSamePrompt(Request request, HandoffTicket target) {
        String here = PromptDigest.of(request.promptTokenIds());
        require(
                target.prompt().isEmpty() || target.prompt().get().equals(here),
                "the decode node's prompt (" + target.prompt().orElse("") + ") is not the one that this node made ("
                        + here + "): tokenizers or chat templates differ");
    }

    private void requireRoom(Request request) {
        int prompt = request.promptTokenIds().length;
        int output = outputTokens(request);
        long total = (long) prompt + output;
        if (total > config.maxModelLength()) {
            throw new EngineException(
                    Kind.TOO_LONG,
                    "a prompt of " + prompt + " tokens and " + output + " to generate exceed the model length of "
                            + config.maxModelLength());
        }
        long blocks = Math.ceilDiv(total - 1, (long) blockSize); // the last token's keys and values are never needed
        if (blocks > blockCount) {
            throw new EngineException(
                    Kind.TOO_LONG,
                    "a prompt of " + prompt + " tokens and " + output + " to generate need " + blocks + " KV blocks of "
                            + blockSize + " tokens; this node has " + blockCount);
        }
    }

    /** Most tokens that a request will generate here. */
    static int outputTokens(Request request) {
        return request.handoff() instanceof HandoffRole.Lend || request.handoff() instanceof HandoffRole.Push
                ? 1
                : request.sampling().maxTokens();
    }

    private boolean isToken(int id) {
        return id >= 0 && id < vocabularySize;
    }

    private static void requireRange(String field, float value, float least, float most) {
        require(value >= least && value <= most, field + " " + value + " is not between " + least + " and " + most);
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new EngineException(Kind.INVALID, message);
        }
    }
}
