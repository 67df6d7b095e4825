package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which reads bring a prompt's KV to all local ranks: at most one for each pair of a local rank and a peer's transfer engine. Heads that
 * several peer ranks hold are read from one of them; which one turns with the request and the local rank, so that the peer's replicas
 * share the work. Pure.
 */
final class ReadPlan {
    /**
     * One transfer.
     *
     * @param transferPort of the peer's transfer engine
     * @param spans into one local rank's pool; not empty
     */
    record Read(int transferPort, SpanBatch spans) {}

    private ReadPlan() {}

    /**
     * @param peers of all ranks of the engine, by rank
     * @param pools of all local ranks, by rank
     * @throws TransferException REJECTED when the peer does not hold what is needed, or does not tell how its blocks are laid out
     */
    static List<Read> of(Fetch.Order order, List<PeerMetadata> peers, List<KvPool> pools) {
        var sources = new ArrayList<TransferPlan.Side>();
        for (PeerMetadata peer : peers) {
            requireReadable(order.ticket(), peer);
            var source = peer.side(order.ticket().blockIds());
            source.requireBlocks(order.tokens().to());
            sources.add(source);
        }
        var reads = new ArrayList<Read>();
        int ranks = peers.size();
        for (int local = 0; local < pools.size(); local++) {
            int turn = Math.floorMod(order.requestId().hashCode() + local * Math.max(1, ranks / pools.size()), ranks);
            addReads(order, rotated(sources, turn), rotated(peers, turn), pools.get(local), reads);
        }
        return reads;
    }

    /** @throws TransferException REJECTED when a ticket's blocks cannot be found in what a peer told */
    static void requireReadable(HandoffTicket ticket, PeerMetadata peer) {
        if (peer.details().isEmpty()) {
            throw new TransferException(
                    Kind.REJECTED,
                    "engine " + peer.engineId()
                            + " does not tell the layout of its blocks, so nothing can be read there or written");
        }
        if (isOtherLife(ticket, peer)) {
            throw new TransferException(
                    Kind.REJECTED, "engine " + peer.engineId() + " was restarted since it wrote the ticket");
        }
        for (int blockId : ticket.blockIds()) {
            if (blockId >= peer.blockCount()) {
                throw new TransferException(
                        Kind.REJECTED, "block " + blockId + " of a peer with " + peer.blockCount() + " blocks");
            }
        }
    }

    /** Whether a ticket was written by an earlier or later life of the process that told this. */
    static boolean isOtherLife(HandoffTicket ticket, PeerMetadata peer) {
        return ticket.incarnation().isPresent()
                && peer.details().isPresent()
                && !ticket.incarnation().get().equals(peer.details().get().incarnation());
    }

    private static void addReads(
            Fetch.Order order,
            List<TransferPlan.Side> sources,
            List<PeerMetadata> peers,
            KvPool pool,
            List<Read> reads) {
        var plan = TransferPlan.between(
                sources, TransferPlan.Side.of(pool, order.localBlockIds()), TransferPlan.Local.TARGET);
        Map<Integer, List<SpanBatch>> byPort = new TreeMap<>();
        for (int index = 0; index < sources.size(); index++) {
            SpanBatch batch = plan.spans(index, order.tokens(), pool.memory());
            if (batch.spans() > 0) {
                byPort.computeIfAbsent(peers.get(index).transferPort(), port -> new ArrayList<>())
                        .add(batch);
            }
        }
        byPort.forEach((port, parts) -> reads.add(new Read(port, SpanBatch.joined(parts))));
    }

    /** The list from {@code by} on, then its beginning. */
    static <T> List<T> rotated(List<T> list, int by) {
        var rotated = new ArrayList<T>(list);
        Collections.rotate(rotated, -by);
        return rotated;
    }
}
