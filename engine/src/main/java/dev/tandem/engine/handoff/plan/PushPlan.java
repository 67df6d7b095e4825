package dev.tandem.engine.handoff.plan;

import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which writes bring one layer of some tokens from one local rank into all ranks of a decode engine. A head that several local ranks hold
 * is written by one of them, which turns with the request. Pure.
 */
public final class PushPlan {
    /**
     * One transfer.
     *
     * @param transferPort of the decode engine's transfer engine
     * @param spans out of one local rank's pool; not empty
     */
    public record Write(int transferPort, SpanBatch spans) {}

    private final List<PeerMetadata> peers;
    private final List<TransferPlan> plans; // [peers]
    private final List<KvPool> pools;
    private final int firstToken;
    private final int turn; // the local rank that is asked first for a head

    private PushPlan(HandoffTicket target, PromptBlocks prompt, List<PeerMetadata> peers, List<KvPool> pools) {
        this.peers = peers;
        this.pools = pools;
        this.turn = Math.floorMod(prompt.requestId().hashCode(), pools.size());
        this.firstToken = firstToken(target, prompt, peers.getFirst());
        var sources = new ArrayList<TransferPlan.LocalSide>();
        for (KvPool pool : pools) {
            sources.add(TransferPlan.LocalSide.of(pool, prompt.blockIds()));
        }
        List<TransferPlan.LocalSide> inTurn = ReadPlan.rotated(sources, turn);
        this.plans = new ArrayList<>();
        for (PeerMetadata peer : peers) {
            TransferPlan.PeerSide side = peer.side(promptBlocks(target, prompt, peer));
            side.requireBlocks(prompt.promptTokens());
            plans.add(TransferPlan.between(inTurn, side, TransferPlan.Local.SOURCE));
        }
    }

    /**
     * @param target the blocks that the decode engine wants filled, the last ones of the prompt
     * @param peers of all ranks of the decode engine, by rank
     * @param pools of all local ranks, by rank
     * @throws TransferException REJECTED when the engine does not tell its layout, or holds something else than what is here
     */
    public static PushPlan of(HandoffTicket target, PromptBlocks prompt, List<PeerMetadata> peers, List<KvPool> pools) {
        for (PeerMetadata peer : peers) {
            ReadPlan.requireReadable(target, peer);
        }
        return new PushPlan(target, prompt, peers, pools);
    }

    /** The first token that the decode node wants: those before it lie in its prefix cache. */
    public int firstToken() {
        return firstToken;
    }

    /** What all that is written must come to, by rank of the decode engine. Takes long: never on a loop; touches nothing but the pools. */
    public List<Integer> sums(PromptBlocks prompt) {
        var layouts = new ArrayList<KvLayout>();
        for (PeerMetadata peer : peers) {
            layouts.add(peer.details().orElseThrow().layout());
        }
        var tokens = new TransferPlan.Tokens(firstToken, prompt.promptTokens());
        return KvSums.of(layouts, pools, prompt.blockIds(), tokens);
    }

    /** The writes of one local rank; empty when others write all that it holds. */
    public List<Write> writes(int tpRank, int layer, TransferPlan.Tokens tokens) {
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
    private static int firstToken(HandoffTicket target, PromptBlocks prompt, PeerMetadata peer) {
        return Math.min(prompt.promptTokens(), cachedBlocks(target, prompt, peer) * blockSize(peer));
    }

    private static int cachedBlocks(HandoffTicket target, PromptBlocks prompt, PeerMetadata peer) {
        int named = target.blockIds().length;
        int needed = Math.ceilDiv(prompt.promptTokens(), blockSize(peer));
        if (named < 1 || named > needed) {
            throw new TransferException(
                    Kind.REJECTED,
                    "engine " + target.engineId() + " names " + named + " blocks of " + blockSize(peer)
                            + " tokens, but a prompt of " + prompt.promptTokens() + " tokens has " + needed);
        }
        return needed - named;
    }

    /** Blocks of the whole prompt; the cached ones have no id here and are never written. */
    private static long[] promptBlocks(HandoffTicket target, PromptBlocks prompt, PeerMetadata peer) {
        int cached = cachedBlocks(target, prompt, peer);
        var ids = new long[cached + target.blockIds().length];
        Arrays.fill(ids, 0, cached, -1);
        System.arraycopy(target.blockIds(), 0, ids, cached, target.blockIds().length);
        return ids;
    }

    private static int blockSize(PeerMetadata peer) {
        return peer.details().orElseThrow().layout().blockSize();
    }
}
