package dev.tandem.engine.handoff;

import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Which bytes of which peer rank go where in the local pool, so that the KV of some tokens is here. Pure.
 *
 * <p>Both sides keep a block as [heads, blockSize, headDim], so the tokens of one head are contiguous inside a block and so are the
 * heads of a rank. Every token range is cut at the block borders of both sides. A piece that is a whole block on both sides is one span
 * for all heads that the two ranks share; any other piece is one span a head. Neighbours that touch on both sides become one span. Only
 * slots of the asked tokens are read: the rest of a last block may hold another request's values and never leaves its node.
 *
 * <p>Ranks: every local head is taken from the first source that holds it, so any number of sources with any split of the heads works,
 * replicated heads included.
 */
final class TransferPlan {
    /** Most pieces that one source may be cut into, before neighbours are joined: 131,072 tokens in 16-token blocks, scattered, in 188 planes, are 1.5 million. */
    static final int MAX_PIECES = 1 << 22;

    /**
     * One rank of the peer.
     *
     * @param layout of its blocks
     * @param planeAddresses where virtual block 0 of each plane lies; [planes]
     * @param blockIds virtual blocks of the whole prompt, in order
     */
    record Source(KvLayout layout, List<Long> planeAddresses, List<Integer> blockIds) {
        Source {
            planeAddresses = List.copyOf(planeAddresses);
            blockIds = List.copyOf(blockIds);
        }
    }

    /**
     * The local rank.
     *
     * @param layout of its blocks
     * @param memory of its pool
     * @param planeOffsets where block 0 of each plane lies in {@code memory}; [planes]
     * @param blockIds physical blocks of the whole prompt, in order
     */
    record Target(KvLayout layout, MemorySegment memory, List<Long> planeOffsets, List<Integer> blockIds) {
        Target {
            planeOffsets = List.copyOf(planeOffsets);
            blockIds = List.copyOf(blockIds);
        }
    }

    /** Prompt tokens {@code [from, to)}. */
    record Tokens(int from, int to) {
        Tokens {
            if (from < 0 || to < from) {
                throw new IllegalArgumentException("tokens " + from + " to " + to);
            }
        }
    }

    /** Heads of one plane that one source gives. Head indices are those inside the two ranks. */
    private record HeadRun(PlaneCopy plane, int sourceHead, int targetHead, int heads) {}

    /** The two sides of one plane: addresses of their block 0, and the bytes of one head of one token. */
    private record PlaneCopy(long sourceAddress, int sourceHeads, long targetOffset, int targetHeads, long headBytes) {}

    private final Source source;
    private final Target target;
    private final SpanBatch.Builder spans = new SpanBatch.Builder();
    private int pieceCount;

    private TransferPlan(Source source, Target target) {
        this.source = source;
        this.target = target;
    }

    /**
     * One batch for each source, in the order of {@code sources}; a batch may be empty.
     *
     * @throws TransferException REJECTED when the sources do not hold what the target needs, naming the field and both values
     */
    static List<SpanBatch> plan(List<Source> sources, Target target, Tokens tokens) {
        for (Source source : sources) {
            requireBlocks(source, tokens);
            requireKnownPlanes(source, target.layout());
        }
        if (target.blockIds().size() < target.layout().blocksFor(tokens.to())) {
            throw new IllegalArgumentException(
                    target.blockIds().size() + " local blocks for " + tokens.to() + " tokens");
        }
        List<List<HeadRun>> runs = headRuns(sources, target);
        var batches = new ArrayList<SpanBatch>();
        for (int index = 0; index < sources.size(); index++) {
            var plan = new TransferPlan(sources.get(index), target);
            try {
                for (HeadRun run : runs.get(index)) {
                    plan.addRun(run, tokens);
                }
            } catch (ArithmeticException e) {
                throw rejected("the peer's addresses leave 64 bits");
            }
            batches.add(plan.spans.build(target.memory()));
        }
        return batches;
    }

    private static void requireBlocks(Source source, Tokens tokens) {
        int needed = source.layout().blocksFor(tokens.to());
        if (source.blockIds().size() != needed) {
            throw rejected("the ticket names " + source.blockIds().size() + " blocks of "
                    + source.layout().blockSize() + " tokens, but a prompt of " + tokens.to() + " tokens has "
                    + needed);
        }
        if (source.planeAddresses().size() != source.layout().planes().size()) {
            throw rejected("the peer gives " + source.planeAddresses().size() + " plane addresses for "
                    + source.layout().planes().size() + " planes");
        }
    }

    /** A plane that only the peer has hints at another model. */
    private static void requireKnownPlanes(Source source, KvLayout layout) {
        for (KvPlane plane : source.layout().planes()) {
            if (planeIndex(layout, plane.name()) < 0) {
                throw rejected("the peer has a plane " + plane.name() + " that the model here has not");
            }
        }
    }

    /** Which heads come from which source: for each source its runs, plane by plane. */
    private static List<List<HeadRun>> headRuns(List<Source> sources, Target target) {
        var runs = new ArrayList<List<HeadRun>>();
        for (int index = 0; index < sources.size(); index++) {
            runs.add(new ArrayList<>());
        }
        for (int index = 0; index < target.layout().planes().size(); index++) {
            KvPlane wanted = target.layout().planes().get(index);
            long targetOffset = target.planeOffsets().get(index);
            int head = wanted.firstHead();
            while (head < wanted.firstHead() + wanted.heads()) {
                int holder = holderOf(head, wanted, sources);
                HeadRun run = runFrom(head, wanted, sources.get(holder), targetOffset);
                runs.get(holder).add(run);
                head += run.heads();
            }
        }
        return runs;
    }

    /** The first source that holds a head. */
    private static int holderOf(int head, KvPlane wanted, List<Source> sources) {
        for (int index = 0; index < sources.size(); index++) {
            int plane = planeIndex(sources.get(index).layout(), wanted.name());
            if (plane >= 0) {
                KvPlane held = sources.get(index).layout().planes().get(plane);
                requireEqual(wanted, held);
                if (head >= held.firstHead() && head < held.firstHead() + held.heads()) {
                    return index;
                }
            }
        }
        throw rejected("no peer holds head " + head + " of plane " + wanted.name());
    }

    private static HeadRun runFrom(int head, KvPlane wanted, Source source, long targetOffset) {
        int index = planeIndex(source.layout(), wanted.name());
        KvPlane held = source.layout().planes().get(index);
        int end = Math.min(wanted.firstHead() + wanted.heads(), held.firstHead() + held.heads());
        long headBytes = wanted.dtype().bytes(wanted.headDim());
        var copy = new PlaneCopy(
                source.planeAddresses().get(index), held.heads(), targetOffset, wanted.heads(), headBytes);
        return new HeadRun(copy, head - held.firstHead(), head - wanted.firstHead(), end - head);
    }

    private static int planeIndex(KvLayout layout, String name) {
        for (int index = 0; index < layout.planes().size(); index++) {
            if (layout.planes().get(index).name().equals(name)) {
                return index;
            }
        }
        return -1;
    }

    private static void requireEqual(KvPlane here, KvPlane peer) {
        requireEqual(here, "dtype", here.dtype(), peer.dtype());
        requireEqual(here, "head_dim", here.headDim(), peer.headDim());
        requireEqual(here, "model_heads", here.modelHeads(), peer.modelHeads());
    }

    private static void requireEqual(KvPlane plane, String field, Object here, Object peer) {
        if (!here.equals(peer)) {
            throw rejected(field + " of plane " + plane.name() + " is " + peer + " at the peer and " + here + " here");
        }
    }

    private void addRun(HeadRun run, Tokens tokens) {
        int sourceSize = source.layout().blockSize();
        int targetSize = target.layout().blockSize();
        int token = tokens.from();
        while (token < tokens.to()) {
            int sourceSlot = token % sourceSize;
            int targetSlot = token % targetSize;
            int count = Math.min(tokens.to() - token, Math.min(sourceSize - sourceSlot, targetSize - targetSlot));
            addPiece(run, token, count);
            token += count;
        }
    }

    /** Tokens {@code [token, token + count)}, which lie in one block on both sides. */
    private void addPiece(HeadRun run, int token, int count) {
        PlaneCopy plane = run.plane();
        int sourceSize = source.layout().blockSize();
        int targetSize = target.layout().blockSize();
        boolean isWhole = count == sourceSize && count == targetSize;
        int headsAtOnce = isWhole ? run.heads() : 1;
        long bytes = (long) headsAtOnce * count * plane.headBytes();
        long sourceBlock = Math.multiplyExact(
                source.blockIds().get(token / sourceSize), plane.sourceHeads() * plane.headBytes() * sourceSize);
        long targetBlock =
                target.blockIds().get(token / targetSize) * (plane.targetHeads() * plane.headBytes() * targetSize);
        for (int head = 0; head < run.heads(); head += headsAtOnce) {
            long sourceRow = (long) (run.sourceHead() + head) * sourceSize + token % sourceSize;
            long targetRow = (long) (run.targetHead() + head) * targetSize + token % targetSize;
            long address =
                    Math.addExact(plane.sourceAddress(), Math.addExact(sourceBlock, sourceRow * plane.headBytes()));
            Math.addExact(address, bytes);
            add(plane.targetOffset() + targetBlock + targetRow * plane.headBytes(), address, bytes);
        }
    }

    private void add(long offset, long address, long bytes) {
        if (offset < 0 || offset + bytes > target.memory().byteSize()) {
            throw new IllegalStateException("span of " + bytes + " bytes at " + offset + " leaves the pool of "
                    + target.memory().byteSize());
        }
        if (++pieceCount > MAX_PIECES) {
            throw rejected("blocks of " + source.layout().blockSize() + " tokens at the peer and "
                    + target.layout().blockSize() + " here need more than " + MAX_PIECES + " spans");
        }
        spans.add(offset, address, bytes);
    }

    private static TransferException rejected(String message) {
        return new TransferException(TransferException.Kind.REJECTED, message);
    }
}
