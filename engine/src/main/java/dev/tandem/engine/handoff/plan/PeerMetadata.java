package dev.tandem.engine.handoff.plan;

import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import java.util.List;
import java.util.Optional;

/**
 * What a prefill rank tells about itself on {@code get_meta_msg}.
 *
 * @param engineId {@code engine_id}
 * @param transferPort {@code te_rpc_port}: the transfer engine's handshake port, at the host of the side channel
 * @param planeAddresses {@code kv_caches_base_addr}: block b of plane p lies at {@code planeAddresses[p] + b * blockBytes(p)}
 * @param blockCount {@code num_blocks}; for us the number of virtual ids
 * @param details what only Tandem tells; empty for a foreign peer
 */
public record PeerMetadata(
        String engineId, int transferPort, List<Long> planeAddresses, long blockCount, Optional<Details> details) {
    public PeerMetadata {
        planeAddresses = List.copyOf(planeAddresses);
    }

    /** This rank in a plan, for the blocks of one prompt. Only of a peer that told its layout. */
    public TransferPlan.PeerSide side(long[] blockIds) {
        Details told = details.orElseThrow(() -> new IllegalStateException("engine " + engineId + " told no layout"));
        return new TransferPlan.PeerSide(told.layout(), planeAddresses, blockIds);
    }

    /** Whether a ticket was written by an earlier or later life of the process that told this. */
    public boolean isOtherLife(HandoffTicket ticket) {
        return ticket.incarnation().isPresent()
                && details.isPresent()
                && !ticket.incarnation().get().equals(details.get().incarnation());
    }

    /**
     * What a reader or writer needs so that it cannot mistake a byte.
     *
     * @param incarnation drawn at the start of the process; also in each ticket, so that one of an earlier life is recognised
     * @param tpRank which rank of the engine's {@code tpSize} this is
     * @param layout of the rank's blocks
     */
    public record Details(String incarnation, int tpRank, int tpSize, KvLayout layout) {}
}
