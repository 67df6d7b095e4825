package dev.tandem.gateway.protocol;

import dev.tandem.api.openai.ApiError;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import tools.jackson.core.JsonToken;

/**
 * What is sent to P and D, for both orders. Pull: P is asked for one token and answers with a ticket ({@code kv_transfer_params}), which
 * goes unopened into the request for D. Push: D is told where to ask for its prompt ({@code metaserver}), and what it posts there goes
 * unopened into the request for P. Pure functions on bytes; any thread.
 */
final class LegRequests {
    private static final String PARAMS = "kv_transfer_params";
    private static final String ASK_FOR_TICKET = "{\"do_remote_decode\":true,\"do_remote_prefill\":false,"
            + "\"remote_engine_id\":null,\"remote_block_ids\":null,\"remote_host\":null,\"remote_port\":null}";

    private LegRequests() {}

    /** Why this request cannot be disaggregated by its own form, if it cannot. */
    static Optional<LocalReason> unfit(JsonSpans request, boolean clientParamsAllowed) {
        if (clientParamsAllowed && isGiven(request, PARAMS)) {
            return Optional.of(LocalReason.CLIENT_KV_PARAMS);
        }
        if (isGiven(request, "prompt_logprobs") || (request.isTrue("echo") && isGiven(request, "logprobs"))) {
            return Optional.of(LocalReason.PROMPT_LOGPROBS);
        }
        if (isPromptList(request)) {
            return Optional.of(LocalReason.LIST_PROMPT);
        }
        if (isAboveOne(request, "n") || isAboveOne(request, "best_of") || request.isTrue("use_beam_search")) {
            return Optional.of(LocalReason.SEVERAL_CHOICES);
        }
        return Optional.empty();
    }

    /** Whether a request must stay whole, however many sequences it is for. */
    static boolean isUndivided(JsonSpans request) {
        boolean hasBestOf =
                isAboveOne(request, "best_of") && !request.text("best_of").equals(request.text("n"));
        return hasBestOf
                || request.isTrue("use_beam_search")
                || isGiven(request, "prompt_logprobs")
                || (request.isTrue("echo") && isGiven(request, "logprobs"));
    }

    /** Whether there is a list of prompts that is not just one prompt: neither token ids nor a list of one. */
    static boolean isPromptList(JsonSpans request) {
        return request.field("prompt")
                .filter(prompt -> prompt.kind() == JsonToken.START_ARRAY
                        && prompt.elements() != 1
                        && prompt.firstElement() != JsonToken.VALUE_NUMBER_INT)
                .isPresent();
    }

    /**
     * The request for a P that is to lend its blocks: one token, not streamed, with a ticket asked for. What would only cost P time is left
     * out: {@code stream_options}, {@code n}, {@code best_of}, log probabilities and {@code echo}; and what could end P's answer otherwise
     * than by its length, with which a node lends nothing: {@code stop} and {@code stop_token_ids}. {@code max_completion_tokens}, which the
     * engine prefers to {@code max_tokens}, is 1 where it was given. All other fields stay as they were sent.
     */
    static byte[] prefillBody(JsonSpans request) {
        return prefillBody(request, ASK_FOR_TICKET.getBytes(StandardCharsets.UTF_8));
    }

    /** The body for a P that is to write into D's blocks: with what D has posted, as D has posted it. */
    static byte[] prefillBody(JsonSpans request, byte[] params) {
        JsonEdit edit = request.edit()
                .drop("stream_options", "n", "best_of", "logprobs", "top_logprobs", "prompt_logprobs", "echo")
                .drop("stop", "stop_token_ids")
                .set("stream", "false")
                .set("max_tokens", "1")
                .set("min_tokens", "1")
                .set(PARAMS, params);
        if (request.has("max_completion_tokens")) {
            edit.set("max_completion_tokens", "1");
        }
        return edit.bytes();
    }

    /** The request for D: the client's, with the ticket. */
    static byte[] decodeBody(JsonSpans request, byte[] ticket) {
        return request.edit().set(PARAMS, ticket).bytes();
    }

    /**
     * The request for a D that is to ask for its prompt: the client's, with the address to post to.
     *
     * @param seal on that address; empty for none
     */
    static byte[] askingBody(JsonSpans request, String metaserver, String seal) {
        String sealed = seal.isEmpty() ? "" : "\",\"tandem_seal\":\"" + seal;
        return request.edit()
                .set(
                        PARAMS,
                        "{\"do_remote_decode\":false,\"do_remote_prefill\":true,\"metaserver\":\"" + metaserver + sealed
                                + "\"}")
                .bytes();
    }

    /** The request for a node that does both halves itself: the client's, without handoff parameters. */
    static byte[] localBody(JsonSpans request) {
        return request.edit().drop(PARAMS).bytes();
    }

    /** The ticket in P's answer, as it was sent; none when there is none. An {@link ApiError} where the answer is not a JSON object. */
    static Optional<byte[]> ticket(byte[] reply) {
        JsonSpans answer = JsonSpans.of(reply);
        boolean isObject = answer.field(PARAMS)
                .filter(field -> field.kind() == JsonToken.START_OBJECT)
                .isPresent();
        return isObject ? answer.raw(PARAMS).filter(raw -> !isEmptyObject(raw)) : Optional.empty();
    }

    private static boolean isEmptyObject(byte[] raw) {
        for (int i = 1; i < raw.length - 1; i++) {
            if (raw[i] > ' ') {
                return false;
            }
        }
        return true;
    }

    private static boolean isGiven(JsonSpans request, String name) {
        return request.field(name)
                .filter(field -> field.kind() != JsonToken.VALUE_NULL && field.kind() != JsonToken.VALUE_FALSE)
                .isPresent();
    }

    private static boolean isAboveOne(JsonSpans request, String name) {
        return request.field(name)
                        .filter(field -> field.kind() == JsonToken.VALUE_NUMBER_INT
                                || field.kind() == JsonToken.VALUE_NUMBER_FLOAT)
                        .isPresent()
                && request.text(name).filter(text -> !text.equals("1")).isPresent();
    }
}
