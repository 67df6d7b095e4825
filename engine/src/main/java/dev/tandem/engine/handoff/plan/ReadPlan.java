package dev.tandem.engine.handoff.plan;

import dev.tandem.engine.handoff.PromptBlocks;
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
public final class ReadPlan {
    /**
     * One transfer.
     *
     * @param transferPort of the peer's transfer engine
     * @param spans into one local rank's pool; not empty
     */
    public record Read(int transferPort, SpanBatch spans) {}

    private ReadPlan() {}

    /**
     * @param ticket which blocks of the peer hold the prompt
     * @param prompt of which only what is not cached is read
     * @param peers of all ranks of the engine, by rank
     * @param pools of all local ranks, by rank
     * @throws TransferException REJECTED when the peer does not hold what is needed, or does not tell how its blocks are laid out
     */
    public static List<Read> of(
            HandoffTicket ticket, PromptBlocks prompt, List<PeerMetadata> peers, List<KvPool> pools) {
        var tokens =
                new TransferPlan.Tokens(Math.min(prompt.cachedTokens(), prompt.promptTokens()), prompt.promptTokens());
        var sources = new ArrayList<TransferPlan.PeerSide>();
        for (PeerMetadata peer : peers) {
            requireReadable(ticket, peer);
            var source = peer.side(ticket.blockIds());
            source.requireBlocks(prompt.promptTokens());
            sources.add(source);
        }
        var reads = new ArrayList<Read>();
        int ranks = peers.size();
        for (int local = 0; local < pools.size(); local++) {
            int turn = Math.floorMod(prompt.requestId().hashCode() + local * Math.max(1, ranks / pools.size()), ranks);
            addReads(tokens, prompt.blockIds(), rotated(sources, turn), rotated(peers, turn), pools.get(local), reads);
        }
        return reads;
    }

    /** @throws TransferException REJECTED when a ticket's blocks cannot be found in what a peer told */
    public static void requireReadable(HandoffTicket ticket, PeerMetadata peer) {
        if (peer.details().isEmpty()) {
            throw new TransferException(
                    Kind.REJECTED,
                    "engine " + peer.engineId()
                            + " does not tell the layout of its blocks, so nothing can be read there or written");
        }
        if (peer.isOtherLife(ticket)) {
            throw new TransferException(
                    Kind.REJECTED, "engine " + peer.engineId() + " was restarted since it wrote the ticket");
        }
        for (long blockId : ticket.blockIds()) {
            if (blockId >= peer.blockCount()) {
                throw new TransferException(
                        Kind.REJECTED, "block " + blockId + " of a peer with " + peer.blockCount() + " blocks");
            }
        }
    }

    private static void addReads(
            TransferPlan.Tokens tokens,
            int[] blockIds,
            List<TransferPlan.PeerSide> sources,
            List<PeerMetadata> peers,
            KvPool pool,
            List<Read> reads) {
        var plan = TransferPlan.between(sources, TransferPlan.LocalSide.of(pool, blockIds), TransferPlan.Local.TARGET);
        Map<Integer, List<SpanBatch>> byPort = new TreeMap<>();
        for (int index = 0; index < sources.size(); index++) {
            SpanBatch batch = plan.spans(index, tokens, pool.memory());
            if (batch.spans() > 0) {
                byPort.computeIfAbsent(peers.get(index).transferPort(), port -> new ArrayList<>())
                        .add(batch);
            }
        }
        byPort.forEach((port, parts) -> reads.add(new Read(port, SpanBatch.joined(parts))));
    }

    /** The list from {@code by} on, then its beginning. */
    public static <T> List<T> rotated(List<T> list, int by) {
        var rotated = new ArrayList<T>(list);
        Collections.rotate(rotated, -by);
        return rotated;
    }
}
