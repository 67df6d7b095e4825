package dev.tandem.engine;

import dev.tandem.counter.Counter;

/** Counters of one engine; the sentence is shown on the metrics page. */
public enum EngineCounter implements Counter {
    REQUESTS_FINISHED_STOP("Requests that ended at an end token or stop id."),
    REQUESTS_FINISHED_LENGTH("Requests that reached their token limit."),
    REQUESTS_ABORTED("Requests ended by their client or by a deadline."),
    REQUESTS_REJECTED("Requests refused at admission; many hint at too small a queue or too few nodes."),
    PROMPT_TOKENS("Prompt tokens of admitted requests."),
    GENERATION_TOKENS("Tokens generated."),
    PREFIX_CACHE_QUERIES("Prompt tokens looked up in the prefix cache."),
    PREFIX_CACHE_HITS("Prompt tokens found there."),
    EXTERNAL_PREFIX_CACHE_QUERIES("Prompt tokens that a ticket offered from a prefill node."),
    EXTERNAL_PREFIX_CACHE_HITS("Prompt tokens whose KV came from a prefill node."),
    PREEMPTIONS(
            "Sequences whose blocks were taken away and whose prompt was computed again; hints at too little KV memory."),
    HANDOFF_BYTES("Bytes of KV read from prefill nodes or pushed by them."),
    HANDOFF_TRANSFERS("Prompts whose KV came from prefill nodes, read or pushed."),
    HANDOFF_FAILURES("Prompts whose KV did not come from a prefill node; each request was then recomputed or failed."),
    HANDOFF_RECOMPUTED("Prompts computed on a decode node because their KV could not be fetched."),
    PUSHES("Prompts written into decode nodes as they were computed."),
    PUSH_BYTES("Bytes of KV written into decode nodes."),
    PUSH_FAILURES("Prompts that could not be written into a decode node; their requests failed."),
    LEASES_GRANTED("Leases on blocks for a decode node."),
    LEASES_RELEASED("Leases ended by the decode node's done message."),
    LEASES_EXPIRED("Leases ended by their deadline; hints at a lost decode node or too short a timeout."),
    LEASES_CANCELLED("Leases ended by a cancel."),
    INTEGRITY_CHECKS("Idle checks that every block has exactly the owners that it should."),
    INTEGRITY_FAILURES("Blocks that such a check found without an owner or with a wrong count; must be 0.");

    private final String sentence;

    EngineCounter(String sentence) {
        this.sentence = sentence;
    }

    @Override
    public String sentence() {
        return sentence;
    }
}
