package dev.tandem.engine.handoff.plan;

import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * Which bytes of which rank of one engine go where in one rank of another, so that the KV of some tokens is there. Pure, and the same in
 * both directions: a pull has its target here, a push its source.
 *
 * <p>Both sides keep a block as [heads, blockSize, headDim], so the tokens of one head are contiguous inside a block and so are the
 * heads of a rank. Every token range is cut at the block borders of both sides. A piece that is a whole block on both sides is one span
 * for all heads that the two ranks share; any other piece is one span per head. Neighbours that touch on both sides become one span. Only
 * slots of the asked tokens are moved: the rest of a last block may hold another request's values and never leaves its node.
 *
 * <p>Ranks: every head of the target is taken from the first source that holds it, so any number of sources with any split of the heads
 * works, replicated heads included.
 */
public final class TransferPlan {
    /** Most pieces that one batch may be cut into, before neighbours are joined: 131,072 tokens in 16-token blocks, scattered, in 188 planes, are 1.5 million. */
    public static final int MAX_PIECES = 1 << 22;

    /** One rank and its blocks of the whole prompt, in order. Blocks before the first moved token are never looked at. */
    public sealed interface Side {
        /** Of the rank's blocks. */
        KvLayout layout();

        /** Where block 0 of each plane lies: an offset in the local pool, or an address at the peer; [planes] */
        List<Long> bases();

        /** The id of one block of the prompt. */
        long blockId(int index);
    }

    /** A rank here; its block ids are physical. */
    @SuppressWarnings("ArrayRecordComponent") // handed over, never compared
    public record LocalSide(KvLayout layout, List<Long> bases, int[] blockIds) implements Side {
        public static LocalSide of(KvPool pool, int[] blockIds) {
            var offsets = new ArrayList<Long>();
            for (int plane = 0; plane < pool.layout().planes().size(); plane++) {
                offsets.add(pool.planeOffset(plane));
            }
            return new LocalSide(pool.layout(), List.copyOf(offsets), blockIds);
        }

        @Override
        public long blockId(int index) {
            return blockIds[index];
        }
    }

    /** A rank at the peer; its block ids are virtual. */
    @SuppressWarnings("ArrayRecordComponent") // handed over, never compared
    public record PeerSide(KvLayout layout, List<Long> bases, long[] blockIds) implements Side {
        @Override
        public long blockId(int index) {
            return blockIds[index];
        }

        /** @throws TransferException REJECTED when these are not the blocks of a prompt of that length */
        public void requireBlocks(int promptTokens) {
            int needed = layout.blocksFor(promptTokens);
            if (blockIds.length != needed) {
                throw rejected("the peer names " + blockIds.length + " blocks of " + layout.blockSize()
                        + " tokens, but a prompt of " + promptTokens + " tokens has " + needed);
            }
            if (bases.size() != layout.planes().size()) {
                throw rejected("the peer gives " + bases.size() + " plane addresses for "
                        + layout.planes().size() + " planes");
            }
        }
    }

    /** Prompt tokens {@code [from, to)}. */
    public record Tokens(int from, int to) {
        public Tokens {
            if (from < 0 || to < from) {
                throw new IllegalArgumentException("tokens " + from + " to " + to);
            }
        }
    }

    /** Which side is this process. */
    public enum Local {
        SOURCE,
        TARGET
    }

    /** Heads of one plane that one source gives. Head indices are those inside the two ranks. */
    private record HeadRun(PlaneCopy plane, int sourceHead, int targetHead, int heads) {}

    /** The two sides of one plane: places of their block 0, and the bytes of one head of one token. */
    private record PlaneCopy(
            int layer, long sourceBase, int sourceHeads, long targetBase, int targetHeads, long headBytes) {}

    /** Spans in the making; offset and address as the direction says. */
    private static final class Spans {
        final SpanBatch.Builder builder = new SpanBatch.Builder();
        final MemorySegment memory;
        final Local local;
        int pieces;

        Spans(MemorySegment memory, Local local) {
            this.memory = memory;
            this.local = local;
        }

        void add(long source, long target, long bytes) {
            long offset = local == Local.SOURCE ? source : target;
            long address = local == Local.SOURCE ? target : source;
            Math.addExact(address, bytes);
            if (offset < 0 || offset + bytes > memory.byteSize()) {
                throw new IllegalStateException(
                        "span of " + bytes + " bytes at " + offset + " leaves the pool of " + memory.byteSize());
            }
            if (++pieces > MAX_PIECES) {
                throw rejected("blocks of so different sizes need more than " + MAX_PIECES + " spans");
            }
            builder.add(offset, address, bytes);
        }
    }

    private final List<Side> sources;
    private final Side target;
    private final Local local;
    private final List<List<HeadRun>> runs; // [sources]: plane by plane

    private TransferPlan(List<? extends Side> sources, Side target, Local local) {
        this.sources = List.copyOf(sources);
        this.target = target;
        this.local = local;
        this.runs = headRuns();
    }

    /**
     * The plan for one target rank.
     *
     * @param sources all ranks of the other engine; heads that several hold are taken from the first of them
     * @throws TransferException REJECTED when the sources do not hold what the target has, naming the field and both values
     */
    public static TransferPlan between(List<? extends Side> sources, Side target, Local local) {
        return new TransferPlan(sources, target, local);
    }

    /** What one source gives of all layers. */
    public SpanBatch spans(int source, Tokens tokens, MemorySegment localMemory) {
        return spans(source, tokens, layer -> true, localMemory);
    }

    /** What one source gives of one layer. */
    public SpanBatch spansOfLayer(int source, Tokens tokens, int layer, MemorySegment localMemory) {
        return spans(source, tokens, found -> found == layer, localMemory);
    }

    private SpanBatch spans(int source, Tokens tokens, IntPredicate layers, MemorySegment localMemory) {
        var spans = new Spans(localMemory, local);
        try {
            for (HeadRun run : runs.get(source)) {
                if (layers.test(run.plane().layer())) {
                    addRun(sources.get(source), run, tokens, spans);
                }
            }
        } catch (ArithmeticException e) {
            throw rejected("the peer's addresses leave 64 bits");
        }
        return spans.builder.build(localMemory);
    }

    /** Which heads come from which source: for each source its runs, plane by plane. */
    private List<List<HeadRun>> headRuns() {
        var targetPlanes = planes(target.layout());
        var found = new ArrayList<List<HeadRun>>();
        var sourcePlanes = new ArrayList<Map<String, Integer>>();
        for (Side source : sources) {
            requireKnownPlanes(source.layout(), targetPlanes);
            sourcePlanes.add(planes(source.layout()));
            found.add(new ArrayList<>());
        }
        for (int plane = 0; plane < target.layout().planes().size(); plane++) {
            KvPlane wanted = target.layout().planes().get(plane);
            int head = wanted.firstHead();
            while (head < wanted.firstHead() + wanted.heads()) {
                int holder = holderOf(head, wanted, sourcePlanes);
                HeadRun run = runFrom(head, plane, sources.get(holder), sourcePlanes.get(holder));
                found.get(holder).add(run);
                head += run.heads();
            }
        }
        return found;
    }

    private static Map<String, Integer> planes(KvLayout layout) {
        var byName = new HashMap<String, Integer>();
        for (int plane = 0; plane < layout.planes().size(); plane++) {
            byName.put(layout.planes().get(plane).name(), plane);
        }
        return byName;
    }

    /** A plane that only one side has hints at another model. */
    private void requireKnownPlanes(KvLayout source, Map<String, Integer> targetPlanes) {
        for (KvPlane plane : source.planes()) {
            if (!targetPlanes.containsKey(plane.name())) {
                throw rejected(
                        local == Local.TARGET
                                ? "the peer has a plane " + plane.name() + " that the model here has not"
                                : "the model here has a plane " + plane.name() + " that the peer has not");
            }
        }
    }

    /** The first source that holds a head. */
    private int holderOf(int head, KvPlane wanted, List<Map<String, Integer>> sourcePlanes) {
        for (int index = 0; index < sources.size(); index++) {
            Integer plane = sourcePlanes.get(index).get(wanted.name());
            if (plane != null) {
                KvPlane held = sources.get(index).layout().planes().get(plane);
                requireEqual(wanted, held);
                if (head >= held.firstHead() && head < held.firstHead() + held.heads()) {
                    return index;
                }
            }
        }
        throw rejected((local == Local.TARGET ? "no peer holds head " : "no rank here holds head ") + head
                + " of plane " + wanted.name());
    }

    private HeadRun runFrom(int head, int targetPlane, Side source, Map<String, Integer> sourcePlanes) {
        KvPlane wanted = target.layout().planes().get(targetPlane);
        int sourcePlane = sourcePlanes.getOrDefault(wanted.name(), -1);
        KvPlane held = source.layout().planes().get(sourcePlane);
        int end = Math.min(wanted.firstHead() + wanted.heads(), held.firstHead() + held.heads());
        var copy = new PlaneCopy(
                wanted.layer(),
                source.bases().get(sourcePlane),
                held.heads(),
                target.bases().get(targetPlane),
                wanted.heads(),
                wanted.dtype().bytes(wanted.headDim()));
        return new HeadRun(copy, head - held.firstHead(), head - wanted.firstHead(), end - head);
    }

    private void requireEqual(KvPlane wanted, KvPlane held) {
        KvPlane here = local == Local.TARGET ? wanted : held;
        KvPlane peer = local == Local.TARGET ? held : wanted;
        requireEqual(here, "dtype", here.dtype(), peer.dtype());
        requireEqual(here, "head_dim", here.headDim(), peer.headDim());
        requireEqual(here, "model_heads", here.modelHeads(), peer.modelHeads());
    }

    private static void requireEqual(KvPlane plane, String field, Object here, Object peer) {
        if (!here.equals(peer)) {
            throw rejected(field + " of plane " + plane.name() + " is " + peer + " at the peer and " + here + " here");
        }
    }

    private void addRun(Side source, HeadRun run, Tokens tokens, Spans spans) {
        int sourceSize = source.layout().blockSize();
        int targetSize = target.layout().blockSize();
        int token = tokens.from();
        while (token < tokens.to()) {
            int sourceSlot = token % sourceSize;
            int targetSlot = token % targetSize;
            int count = Math.min(tokens.to() - token, Math.min(sourceSize - sourceSlot, targetSize - targetSlot));
            addPiece(source, run, new Tokens(token, token + count), spans);
            token += count;
        }
    }

    /** Tokens that lie in one block on both sides. */
    private void addPiece(Side source, HeadRun run, Tokens piece, Spans spans) {
        PlaneCopy plane = run.plane();
        int sourceSize = source.layout().blockSize();
        int targetSize = target.layout().blockSize();
        int count = piece.to() - piece.from();
        boolean isWhole = count == sourceSize && count == targetSize;
        int headsAtOnce = isWhole ? run.heads() : 1;
        long bytes = (long) headsAtOnce * count * plane.headBytes();
        long sourceBlock = Math.multiplyExact(
                source.blockId(piece.from() / sourceSize), plane.sourceHeads() * plane.headBytes() * sourceSize);
        long targetBlock = Math.multiplyExact(
                target.blockId(piece.from() / targetSize), plane.targetHeads() * plane.headBytes() * targetSize);
        for (int head = 0; head < run.heads(); head += headsAtOnce) {
            long sourceRow = (long) (run.sourceHead() + head) * sourceSize + piece.from() % sourceSize;
            long targetRow = (long) (run.targetHead() + head) * targetSize + piece.from() % targetSize;
            spans.add(
                    Math.addExact(plane.sourceBase(), Math.addExact(sourceBlock, sourceRow * plane.headBytes())),
                    Math.addExact(plane.targetBase(), Math.addExact(targetBlock, targetRow * plane.headBytes())),
                    bytes);
        }
    }

    private static TransferException rejected(String message) {
        return new TransferException(TransferException.Kind.REJECTED, message);
    }
}
