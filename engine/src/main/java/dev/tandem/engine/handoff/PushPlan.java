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
 * Which writes bring one layer of some tokens from one local rank into all ranks of a decode engine. A head that several local ranks hold
 * is written by one of them, which turns with the request. Pure.
 */
final class PushPlan {
    /**
     * One transfer.
     *
     * @param transferPort of the decode engine's transfer engine
     * @param spans out of one local rank's pool; not empty
     */
    record Write(int transferPort, SpanBatch spans) {}

    private final List<PeerMetadata> peers;
    private final List<TransferPlan> plans; // [peers]
    private final List<KvPool> pools;
    private final int firstToken;
    private final int turn; // the local rank that is asked first for a head

    private PushPlan(Push.Order order, List<PeerMetadata> peers, List<KvPool> pools) {
        this.peers = peers;
        this.pools = pools;
        this.turn = Math.floorMod(order.requestId().hashCode(), pools.size());
        this.firstToken = firstToken(order, peers.getFirst());
        var sources = new ArrayList<TransferPlan.Side>();
        for (KvPool pool : pools) {
            sources.add(TransferPlan.Side.of(pool, order.blockIds()));
        }
        List<TransferPlan.Side> inTurn = ReadPlan.rotated(sources, turn);
        this.plans = new ArrayList<>();
        for (PeerMetadata peer : peers) {
            TransferPlan.Side target = peer.side(promptBlocks(order, peer));
            target.requireBlocks(order.promptTokens());
            plans.add(TransferPlan.between(inTurn, target, TransferPlan.Local.SOURCE));
        }
    }

    /**
     * @param peers of all ranks of the decode engine, by rank
     * @param pools of all local ranks, by rank
     * @throws TransferException REJECTED when the engine does not tell its layout, or holds something else than what is here
     */
    static PushPlan of(Push.Order order, List<PeerMetadata> peers, List<KvPool> pools) {
        for (PeerMetadata peer : peers) {
            ReadPlan.requireReadable(order.target(), peer);
        }
        return new PushPlan(order, peers, pools);
    }

    /** The first token that the decode node wants: those before it lie in its prefix cache. */
    int firstToken() {
        return firstToken;
    }

    /** The writes of one local rank; empty when others write all that it holds. */
    List<Write> writes(int tpRank, int layer, TransferPlan.Tokens tokens) {
        int source = Math.floorMod(tpRank - turn, pools.size());
        Map<Integer, List<SpanBatch>> byPort = new TreeMap<>();
        for (int peer = 0; peer < peers.size(); peer++) {
            SpanBatch batch = plans.get(peer)
                    .spansOfLayer(source, tokens, layer, pools.get(tpRank).memory());
            if (batch.spans() > 0) {
                byPort.computeIfAbsent(peers.get(peer).transferPort(), port -> new ArrayList<>())
                        .add(batch);
            }
        }
        var writes = new ArrayList<Write>();
        byPort.forEach((port, parts) -> writes.add(new Write(port, SpanBatch.joined(parts))));
        return writes;
    }

    /** A decode node names the blocks that it wants filled: the last ones of the prompt. */
    private static int firstToken(Push.Order order, PeerMetadata peer) {
        return Math.min(order.promptTokens(), cachedBlocks(order, peer) * blockSize(peer));
    }

    private static int cachedBlocks(Push.Order order, PeerMetadata peer) {
        HandoffTicket target = order.target();
        int named = target.blockIds().size();
        int needed = Math.ceilDiv(order.promptTokens(), blockSize(peer));
        if (named < 1 || named > needed) {
            throw new TransferException(
                    Kind.REJECTED,
                    "engine " + target.engineId() + " names " + named + " blocks of " + blockSize(peer)
                            + " tokens, but a prompt of " + order.promptTokens() + " tokens has " + needed);
        }
        return needed - named;
    }

    /** Blocks of the whole prompt; the cached ones have no id here and are never written. */
    private static List<Integer> promptBlocks(Push.Order order, PeerMetadata peer) {
        var ids = new ArrayList<>(Collections.nCopies(cachedBlocks(order, peer), -1));
        ids.addAll(order.target().blockIds());
        return ids;
    }

    private static int blockSize(PeerMetadata peer) {
        return peer.details().orElseThrow().layout().blockSize();
    }
}
