package dev.tandem.engine.handoff;

import java.util.Map;

/** What a decode node asks of a prefill node's side channel. */
sealed interface SideChannelMessage {
    /** {@code (b"get_meta_msg", "")}: answered with {@link PeerMetadata}. */
    record GetMetadata() implements SideChannelMessage {}

    /**
     * {@code (b"done_recving_msg", request_id)}: answered with {@code ACK}.
     *
     * @param sendsByPort newer nodes: done messages that each of P's ports will get for the request, 0 included; empty when it does not
     *     say
     */
    record DoneReceiving(String requestId, Map<Integer, Integer> sendsByPort) implements SideChannelMessage {}
}
