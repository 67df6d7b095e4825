package dev.tandem.gateway.protocol;

import dev.tandem.counter.Counter;

/** Why a request was not disaggregated: it is said in the response, in the log and on the metrics page. */
public enum LocalReason implements Counter {
    LIST_PROMPT(
            "list-prompt",
            false,
            "Several prompts in a request that must stay whole, or more of them than are handed off one by one."),
    SEVERAL_CHOICES(
            "several-choices",
            false,
            "best_of or beam search asks for several sequences that belong together, or n for more than are handed off."),
    PROMPT_LOGPROBS(
            "prompt-logprobs",
            false,
            "Log probabilities of the prompt need the whole prompt computed where it is answered."),
    CLIENT_KV_PARAMS(
            "client-kv-params",
            false,
            "The client has sent its own kv_transfer_params and the configuration allows it."),
    NO_PREFILL_NODE("no-prefill-node", true, "No prefill node is healthy."),
    PREFILL_FAILED("prefill-failed", true, "Every prefill node that was asked failed."),
    NO_TICKET(
            "no-ticket",
            true,
            "The prefill node answered without kv_transfer_params: it is not configured as a producer."),
    NOTHING_TO_HAND_OFF(
            "nothing-to-hand-off",
            false,
            "The decode node had the whole prompt cached but its last token, which it computes in any case."),
    NOT_ASKED(
            "not-asked",
            true,
            "A foreign decode node answered without asking for the prompt: it runs no layerwise connector, or had it cached."),
    RECOMPUTED(
            "recomputed",
            false,
            "The decode node had a ticket, could not get the prompt's KV and has computed it itself, as its own policy says."),
    UNCONFIRMED(
            "unconfirmed",
            false,
            "The decode node's stream was complete, but not its end, which says whether it has computed the prompt itself."),
    DECODE_RETRIED(
            "decode-retried", true, "The first decode node failed after it had the ticket, which may be used up.");

    private final String word;
    private final boolean failure;
    private final String sentence;

    LocalReason(String word, boolean failure, String sentence) {
        this.word = word;
        this.failure = failure;
        this.sentence = sentence;
    }

    /** The reason in the response header and as a metric label. */
    public String word() {
        return word;
    }

    /** Whether something failed, so that the policy decides; otherwise the request itself does not fit disaggregation. */
    public boolean isFailure() {
        return failure;
    }

    @Override
    public String sentence() {
        return sentence;
    }
}
