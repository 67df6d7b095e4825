package dev.tandem.engine.handoff.sidechannel;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/** What peers ask of a side channel, or report to it. */
public sealed interface SideChannelMessage {
    /** {@code (b"get_meta_msg", "")}: answered with {@link dev.tandem.engine.handoff.plan.PeerMetadata}. */
    record GetMetadata() implements SideChannelMessage {}

    /** What became of one request's KV. */
    sealed interface Report extends SideChannelMessage {
        String requestId();
    }

    /**
     * {@code (b"done_recving_msg", request_id)}: answered with {@code ACK}.
     *
     * @param sendsByPort newer nodes: done messages that each of P's ports will get for the request, 0 included; empty when it does not
     *     say
     * @param lease the first virtual block id of the ticket, which our decode nodes name to ours; foreign ones do not
     */
    record DoneReceiving(String requestId, Map<Integer, Integer> sendsByPort, OptionalLong lease) implements Report {}

    /**
     * {@code (b"done_sending_msg", request_id)} to a decode node: answered with {@code ACK} when it waits for that, else {@code NAK}.
     *
     * @param lease the first virtual block id that was written, which our prefill nodes name; foreign ones do not
     * @param sums what was written, as {@link dev.tandem.engine.handoff.plan.KvSums} sums it, by rank of the decode node; empty when the
     *     sender does not say
     */
    record DoneSending(String requestId, OptionalLong lease, List<Integer> sums) implements Report {
        public DoneSending {
            sums = List.copyOf(sums);
        }
    }

    /**
     * {@code (b"failed_sending_msg", request_id)} to a decode node: answered like {@link DoneSending}.
     *
     * @param reason why; empty when a foreign node does not tell
     */
    record FailedSending(String requestId, OptionalLong lease, String reason) implements Report {}
}
