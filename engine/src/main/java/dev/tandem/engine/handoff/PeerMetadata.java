package dev.tandem.engine.handoff;

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
record PeerMetadata(
        String engineId, int transferPort, List<Long> planeAddresses, long blockCount, Optional<Details> details) {
    PeerMetadata {
        planeAddresses = List.copyOf(planeAddresses);
    }

    /** This rank in a plan, for the blocks of one prompt. Only of a peer that told its layout. */
    TransferPlan.Side side(List<Integer> blockIds) {
        Details told = details.orElseThrow(() -> new IllegalStateException("engine " + engineId + " told no layout"));
        return new TransferPlan.Side(told.layout(), planeAddresses, blockIds);
    }

    /**
     * What a reader or writer needs so that it cannot mistake a byte.
     *
     * @param incarnation drawn at the start of the process; also in each ticket, so that one of an earlier life is recognised
     * @param tpRank which rank of the engine's {@code tpSize} this is
     * @param layout of the rank's blocks
     */
    record Details(String incarnation, int tpRank, int tpSize, KvLayout layout) {}
}
