package dev.tandem.engine.handoff;

import dev.tandem.counter.Counter;

/** Counters of the exchanges of one process, besides those of its engines; the sentence is shown on the metrics page. */
public enum HandoffCounter implements Counter {
    METADATA_SERVED("Questions for this node's addresses that were answered."),
    METADATA_ASKED("Questions for a prefill node's addresses; about one per prefill node and restart is normal."),
    METADATA_REFRESHED("Cached addresses asked for again; hints at prefill nodes that were restarted."),
    DONE_RECEIVED("Done messages that named a live lease."),
    DONE_UNKNOWN("Done messages without a live lease: repeated, or sent after the lease had expired or was cancelled."),
    DONE_SENT("Done messages that a prefill node acknowledged."),
    DONE_UNDELIVERED("Done messages given up; the prefill node keeps its blocks until the lease expires."),
    FRAMES_DROPPED("Frames that are not valid side-channel messages; hints at a port scanner or a foreign protocol."),
    PEERS_MALFORMED(
            "Connections to or from a side channel that ended because the peer does not speak ZMTP 3; hints at a port scanner."),
    PEERS_TOO_LARGE("Connections that ended because a frame or a message was longer than any of the side channel."),
    PEERS_STALLED("Connections that ended because a peer did not end what it had begun, or did not read its answers."),
    PEERS_CROWDED_OUT(
            "Connections that ended because peers had too many, or too many bytes of them waited; hints at an attack."),
    PEERS_UNPROVEN(
            "Peers at the side channel that gave no proof of the cluster's secret: a stranger, or a node without it."),
    PEERS_FAILED("Connections of the side channel that ended by a fault of this node."),
    ACCEPTS_PAUSED("Times that a side channel took no connection for a while; hints at descriptors that have run out."),
    SIDE_CHANNEL_SILENT("Questions of this node to its own side channel that were not answered in time."),
    TASKS_REFUSED(
            "Transfers and declines that were not begun because too many waited; hints at a side channel that cannot keep up."),
    READS_REFUSED(
            "Accesses outside a live lease; hints at decode nodes that read, or prefill nodes that write, too late."),
    PARTIES_REFUSED(
            "Accesses to a live lease from another host than those that use it: a decode node on several hosts whose peers count one, or a"
                    + " stranger with somebody's ticket."),
    INVITATIONS_SENT("Prompts that a metaserver was asked to have pushed to this node."),
    INVITATIONS_FAILED("Such questions that the metaserver did not answer, or with a refusal."),
    PUSHES_DONE("Prompts written whole into a decode node that acknowledged it."),
    PUSHES_FAILED("Prompts that could not be written whole into a decode node, and whose request failed."),
    PUSHES_CORRUPT(
            "Prompts that came whole, but whose KV in memory is not what the prefill node sums: somebody else wrote there, or a machine"
                    + " is broken; the request was recomputed or failed."),
    PUSHES_UNSUMMED("Prompts taken without a sum, from prefill nodes of an older version: upgrade them."),
    PUSHES_FOREIGN(
            "Done messages of prefill nodes that do not tell how they lay KV out; the request was recomputed or failed.");

    private final String sentence;

    HandoffCounter(String sentence) {
        this.sentence = sentence;
    }

    @Override
    public String sentence() {
        return sentence;
    }
}
