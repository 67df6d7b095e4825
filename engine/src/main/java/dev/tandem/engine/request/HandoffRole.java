package dev.tandem.engine.request;

/** What this node does with the KV of a request. */
public sealed interface HandoffRole {
    /** Prefill and decode here. */
    record None() implements HandoffRole {}

    /** Prefill node: keep the prompt's blocks and answer with a ticket ({@code do_remote_decode}). */
    record Lend() implements HandoffRole {}

    /** Decode node: fetch the prompt's KV by this ticket ({@code do_remote_prefill}). */
    record Fetch(HandoffTicket ticket) implements HandoffRole {}
}
