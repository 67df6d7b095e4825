package dev.tandem.engine.handoff;

/** Counters of one rank's handoff, besides those of the engine; the sentence is shown on the metrics page. */
public enum HandoffCounter {
    METADATA_SERVED("Questions for this node's addresses that were answered."),
    METADATA_ASKED("Questions for a prefill node's addresses; about one per prefill node and restart is normal."),
    METADATA_REFRESHED("Cached addresses asked for again; hints at prefill nodes that were restarted."),
    DONE_RECEIVED("Done messages that named a live lease."),
    DONE_UNKNOWN("Done messages without a live lease: repeated, or sent after the lease had expired or was cancelled."),
    DONE_SENT("Done messages that a prefill node acknowledged."),
    DONE_UNDELIVERED("Done messages given up; the prefill node keeps its blocks until the lease expires."),
    FRAMES_DROPPED("Side-channel messages that are no messages; hints at a port scanner or a foreign protocol."),
    READS_REFUSED("Accesses outside a live lease; hints at decode nodes that read too late.");

    private final String sentence;

    HandoffCounter(String sentence) {
        this.sentence = sentence;
    }

    /** What the counter counts and what it hints at. */
    public String sentence() {
        return sentence;
    }
}
