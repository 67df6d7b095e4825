package dev.tandem.engine.request;

/** What this node does with the KV of a request. */
public sealed interface HandoffRole {
    /** Prefill and decode here. */
    record None() implements HandoffRole {}

    /** Prefill node: keep the prompt's blocks and answer with a ticket ({@code do_remote_decode}). */
    record Lend() implements HandoffRole {}

    /** Decode node: fetch the prompt's KV by this ticket ({@code do_remote_prefill}). */
    record Fetch(HandoffTicket ticket) implements HandoffRole {}

    /** Prefill node: write the prompt's KV into these blocks of a decode node, layer by layer ({@code do_remote_decode} with blocks). */
    record Push(HandoffTicket target) implements HandoffRole {}

    /**
     * Decode node: have the prompt's KV pushed here ({@code do_remote_prefill} with {@code metaserver}).
     *
     * @param metaserver URL to post the invitation to; whoever takes it from a client must have allowed it
     */
    record Receive(String metaserver) implements HandoffRole {}
}
