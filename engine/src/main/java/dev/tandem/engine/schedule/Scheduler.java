package dev.tandem.engine.schedule;

import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.cache.BlockTable;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import java.util.ArrayList;
import java.util.List;

/**
 * Continuous batching with chunked prefill. Every step: one row for each decoding sequence; then chunks of the prompts that have begun;
 * then new sequences, first come, first served, as far as rows, sequences and blocks go. When a decoding sequence needs a block and
 * none is free, the youngest running sequence gives up its blocks and is computed again later; the oldest never loses its own, so
 * somebody always gets on. Pure bookkeeping; owned by the engine loop.
 */
public final class Scheduler {
    private final BatchLimits limits;
    private final long fetchTimeoutNs;
    private final BlockManager blocks;
    private final StateCounts states;
    private final List<Sequence> waiting = new ArrayList<>(); // by order of arrival
    private final List<Sequence> running = new ArrayList<>(); // by order of arrival; PREFILLING, DECODING, AWAITING_KV
    private final List<Sequence> held = new ArrayList<>(); // LENT, PUSHING: they hold blocks and run no more
    private int heldBlocks;

    /**
     * @param fetchTimeoutNs how long a sequence may await KV that it reads; one that is written to waits for a prefill node's computing, so
     *     its connector sees to it that something happens, and here only its request's deadline counts
     * @param blocks all free
     * @param states of the sequences that will be added
     */
    public Scheduler(BatchLimits limits, long fetchTimeoutNs, BlockManager blocks, StateCounts states) {
        this.limits = limits;
        this.fetchTimeoutNs = fetchTimeoutNs;
        this.blocks = blocks;
        this.states = states;
    }

    /** Takes a new sequence into the queue. */
    public void add(Sequence sequence) {
        int needed = blocks.blocksFor(sequence.tokenCount());
        if (needed > blocks.blockCount()) {
            throw new IllegalStateException("sequence " + sequence.id() + " needs " + needed + " blocks of "
                    + blocks.blockCount() + "; admission should have refused it");
        }
        insert(waiting, sequence);
    }

    /** Plans the next step: blocks are taken, states changed; an empty batch means that nothing can run now. */
    public Batch schedule(long nowNs) {
        var plan = new Plan(limits.batchedTokens(), nowNs);
        for (Sequence sequence : List.copyOf(running)) {
            if (sequence.state() == SequenceState.DECODING && hasRoom(sequence, plan)) {
                plan.addChunk(sequence, true);
            }
        }
        for (Sequence sequence : running) {
            if (sequence.state() == SequenceState.PREFILLING) {
                plan.addChunk(sequence, limits.isPrefillChunked());
            }
        }
        while (plan.preemptions == 0 && !plan.isFull && !waiting.isEmpty() && start(waiting.getFirst(), plan)) {
            insert(running, waiting.removeFirst());
        }
        return new Batch(plan.chunks, plan.fetches, plan.declines, plan.started, plan.preemptions);
    }

    /** Makes full blocks findable after a sequence has advanced. */
    public void register(Sequence sequence) {
        blocks.register(sequence.blocks(), sequence.tokens(), sequence.computedTokens());
    }

    /** PREFILLING to LENT: it runs no more, but holds its blocks. */
    public void lend(Sequence sequence, int tokenId, long nowNs, long leaseDeadlineNs) {
        remove(running, sequence);
        sequence.lend(tokenId, nowNs, leaseDeadlineNs);
        hold(sequence);
    }

    /** PREFILLING to PUSHING: all is computed, not all is written. */
    public void awaitPush(Sequence sequence, int tokenId, long nowNs, long pushDeadlineNs) {
        remove(running, sequence);
        sequence.awaitPush(tokenId, nowNs, pushDeadlineNs);
        hold(sequence);
    }

    private void hold(Sequence sequence) {
        held.add(sequence);
        heldBlocks += sequence.blocks().size();
    }

    /** Nobody waits for the sequence any more, but a transfer touches its blocks: it runs no more and keeps them. */
    public void abandon(Sequence sequence) {
        if (sequence.state() == SequenceState.PREFILLING) {
            remove(running, sequence);
            hold(sequence);
        }
        sequence.abandon();
    }

    /** Ends a sequence in any state and gives its blocks back; no transfer may touch them any more. */
    public void finish(Sequence sequence) {
        switch (sequence.state()) {
            case WAITING -> remove(waiting, sequence);
            case PREFILLING, DECODING, AWAITING_KV -> remove(running, sequence);
            case LENT, PUSHING -> {
                remove(held, sequence);
                heldBlocks -= sequence.blocks().size();
            }
            case FINISHED -> throw new IllegalStateException("sequence " + sequence.id() + " has finished already");
        }
        blocks.release(sequence.blocks());
        sequence.finish();
    }

    /** Blocks of lent sequences, and of those that are still being pushed. */
    public int heldBlocks() {
        return heldBlocks;
    }

    /** One sentence per block whose owners are not as they should be. */
    public List<String> checkIntegrity() {
        var owners = new ArrayList<BlockTable>();
        for (List<Sequence> group : List.of(waiting, running, held)) {
            for (Sequence sequence : group) {
                owners.add(sequence.blocks());
            }
        }
        return blocks.checkIntegrity(owners);
    }

    /** Tries to start the first of the queue; what it computes or fetches is added to the plan. */
    private boolean start(Sequence sequence, Plan plan) {
        if (running.size() >= limits.sequences()) {
            return false;
        }
        int tokens = sequence.tokenCount();
        int found = blocks.countCached(sequence.blocks(), sequence.tokens(), tokens);
        boolean isFetched = sequence.mayFetch() && found * blocks.blockSize() < tokens - 1;
        int cachedBlocks = Math.min(found, (tokens - 1) / blocks.blockSize()); // one token at least is always computed
        int cachedTokens = cachedBlocks * blocks.blockSize();
        boolean fitsStep = isFetched || plan.fits(tokens - cachedTokens, limits.isPrefillChunked());
        if (!fitsStep || !fitsMemory(sequence, cachedBlocks)) {
            return false;
        }
        blocks.allocate(sequence.blocks(), cachedBlocks, blocks.blocksFor(tokens));
        if (!sequence.hasStarted()) {
            plan.started.add(sequence);
        }
        if (isFetched) {
            long deadlineNs = sequence.isReceiver() ? Long.MAX_VALUE : plan.nowNs + fetchTimeoutNs;
            sequence.awaitKv(cachedTokens, plan.nowNs, deadlineNs);
            plan.fetches.add(sequence);
            return true;
        }
        if (sequence.mayFetch()) {
            sequence.declineTicket();
            plan.declines.add(sequence);
        }
        sequence.startPrefill(cachedTokens, plan.nowNs);
        plan.addChunk(sequence, limits.isPrefillChunked());
        return true;
    }

    /** Whether the blocks are there, and one more for each sequence that may soon ask for its next. */
    private boolean fitsMemory(Sequence sequence, int cachedBlocks) {
        int needed = blocks.blocksFor(sequence.tokenCount());
        int growing = running.size() - states.of(SequenceState.AWAITING_KV);
        int reserve = Math.min(growing, blocks.blockCount() - needed);
        return blocks.canAllocate(sequence.blocks(), cachedBlocks, needed, reserve);
    }

    /** Whether a decoding sequence has a block for its next row, if need be one taken from a younger sequence. */
    private boolean hasRoom(Sequence sequence, Plan plan) {
        if (blocks.blocksFor(sequence.tokenCount()) <= sequence.blocks().size()) {
            return true;
        }
        while (blocks.freeBlocks() == 0) {
            Sequence victim = youngestPreemptible();
            if (victim == sequence && countPreemptible() == 1) {
                if (held.isEmpty() && running.size() == 1) {
                    throw new IllegalStateException("sequence " + sequence.id() + " alone holds "
                            + sequence.blocks().size() + " of " + blocks.blockCount() + " blocks and finds none free");
                }
                return false; // it keeps its blocks and waits for a lease, a fetch or a push to end
            }
            preempt(victim);
            plan.preemptions++;
            if (victim == sequence) {
                return false;
            }
        }
        blocks.extend(sequence.blocks());
        return true;
    }

    private Sequence youngestPreemptible() {
        for (int i = running.size() - 1; i >= 0; i--) {
            if (!running.get(i).isPinned()) {
                return running.get(i);
            }
        }
        throw new IllegalStateException("no sequence is running");
    }

    private void preempt(Sequence victim) {
        remove(running, victim);
        blocks.release(victim.blocks());
        victim.preempt();
        insert(waiting, victim);
    }

    private int countPreemptible() {
        int count = 0;
        for (Sequence sequence : running) {
            count += sequence.isPinned() ? 0 : 1;
        }
        return count;
    }

    private static void insert(List<Sequence> list, Sequence sequence) {
        int at = list.size();
        while (at > 0
                && list.get(at - 1).admission().order() > sequence.admission().order()) {
            at--;
        }
        list.add(at, sequence);
    }

    private static void remove(List<Sequence> list, Sequence sequence) {
        if (!list.remove(sequence)) {
            throw new IllegalStateException("sequence " + sequence.id() + " in state " + sequence.state() + " is lost");
        }
    }

    /** A batch in the making, and the rows that it may still take. */
    private static final class Plan {
        private final long nowNs;
        private final List<ScheduledChunk> chunks = new ArrayList<>();
        private final List<Sequence> fetches = new ArrayList<>();
        private final List<Sequence> declines = new ArrayList<>();
        private final List<Sequence> started = new ArrayList<>();
        private int rowsLeft;
        private int preemptions;
        private boolean isFull; // somebody did not fit, and nobody behind it may overtake it

        Plan(int rows, long nowNs) {
            this.rowsLeft = rows;
            this.nowNs = nowNs;
        }

        /** @param isDivisible fewer rows than are pending are welcome too */
        void addChunk(Sequence sequence, boolean isDivisible) {
            if (!fits(sequence.pendingTokens(), isDivisible)) {
                isFull = true;
                return;
            }
            int rows = Math.min(sequence.pendingTokens(), rowsLeft);
            rowsLeft -= rows;
            chunks.add(new ScheduledChunk(sequence, rows));
        }

        boolean fits(int pendingTokens, boolean isDivisible) {
            return isDivisible ? rowsLeft > 0 : pendingTokens <= rowsLeft;
        }
    }
}
