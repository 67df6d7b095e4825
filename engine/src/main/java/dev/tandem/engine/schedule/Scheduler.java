package dev.tandem.engine.schedule;

import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.cache.BlockTable;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Continuous batching with chunked prefill. Every step: one row for each decoding sequence; then chunks of the prompts that have begun;
 * then new sequences, as far as rows, sequences and blocks go: clients in turn, those of one client first come, first served ({@link
 * ClientShares}). When a decoding sequence needs a block and none is free, the youngest running sequence of the client that has most gives up
 * its blocks and is computed again later; so it does when a client that has less finds no place, and so does a sequence that has had its
 * turn for one that never ran. For want of blocks the oldest of all never loses its own, so somebody always gets on. A sequence whose reader
 * is behind waits without blocks until it has read. Pure bookkeeping; owned by the engine loop.
 */
public final class Scheduler {
    private final BatchLimits limits;
    private final long fetchTimeoutNs;
    private final BlockManager blocks;
    private final StateCounts states;
    private final List<Sequence> waiting = new ArrayList<>(); // by order of arrival
    private final List<Sequence> running = new ArrayList<>(); // by order of arrival; PREFILLING, DECODING, AWAITING_KV
    private final List<Sequence> held = new ArrayList<>(); // LENT, PUSHING: they hold blocks and run no more
    private final ClientShares shares = new ClientShares();
    private int heldBlocks;
    private long step;

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
        shares.enter(sequence);
        insert(waiting, sequence);
    }

    /** Plans the next step: blocks are taken, states changed; an empty batch means that nothing can run now. */
    public Batch schedule(long nowNs) {
        var plan = new Plan(limits.batchedTokens(), nowNs);
        step++;
        park(plan);
        makeRoom(plan);
        for (Sequence sequence : List.copyOf(running)) {
            if (sequence.state() == SequenceState.DECODING && hasRoom(sequence, plan)) {
                plan.addChunk(sequence, true);
            }
        }
        continuePrompts(plan);
        while (plan.preemptions == 0 && !plan.isFull && startNext(plan).isPresent()) {
            continue; // as long as somebody fits
        }
        return new Batch(plan.chunks, plan.fetches, plan.declines, plan.started, plan.preemptions + plan.yields);
    }

    /** Nothing is computed for a reader that does not read, and it keeps nobody from blocks or from a place. */
    private void park(Plan plan) {
        for (int i = running.size() - 1; i >= 0; i--) {
            Sequence sequence = running.get(i);
            if (sequence.state() == SequenceState.DECODING && sequence.stream().isBehind()) {
                preempt(sequence);
                plan.yields++;
            }
        }
    }

    /** Who has much gives way to who has little and could not start; who has had its turn, to who never ran. */
    private void makeRoom(Plan plan) {
        Optional<Sequence> next = shares.next(waiting);
        if (next.isPresent() && !makeRoomFor(next.get(), plan) && next.get().hasStarted()) {
            shares.nextNewcomer(waiting).ifPresent(newcomer -> makeRoomFor(newcomer, plan));
        }
    }

    /** Who others gave way to starts before all that wait. False where it finds no place all the same. */
    private boolean makeRoomFor(Sequence next, Plan plan) {
        while (!hasPlace(next)) {
            Optional<Sequence> victim = shares.inFavourOf(next, running);
            if (victim.isEmpty()) {
                return false;
            }
            preempt(victim.get());
            plan.yields++;
            plan.first = Optional.of(next);
        }
        return true;
    }

    private Optional<Sequence> nextToStart(Plan plan) {
        return plan.first
                .filter(sequence -> sequence.state() == SequenceState.WAITING)
                .or(() -> shares.next(waiting));
    }

    private boolean hasPlace(Sequence sequence) {
        return running.size() < limits.sequences() && fitsMemory(sequence, cachedBlocks(sequence));
    }

    /** Prompts under way, those of the client first that has waited longest for rows, be it with a new one. */
    private void continuePrompts(Plan plan) {
        Optional<Sequence> turn = shares.promptTurn(running);
        if (turn.isEmpty()) {
            return;
        }
        Optional<Sequence> next = nextToStart(plan);
        Optional<Sequence> begun = Optional.empty();
        if (plan.preemptions == 0 && next.isPresent() && shares.hasWaitedLonger(next.get(), turn.get())) {
            begun = startNext(plan);
        }
        for (boolean isOfTurn : new boolean[] {true, false}) {
            for (Sequence sequence : running) {
                boolean isPrompt = sequence.state() == SequenceState.PREFILLING
                        && (begun.isEmpty() || sequence != begun.get()); // it has its rows
                if (isPrompt && shares.isSameClient(sequence, turn.get()) == isOfTurn) {
                    addPrompt(sequence, plan);
                }
            }
        }
    }

    private void addPrompt(Sequence sequence, Plan plan) {
        if (plan.addChunk(sequence, limits.isPrefillChunked())) {
            shares.promptServed(sequence, step);
        }
    }

    /** Starts whose turn it is; nobody when none waits or it does not fit. */
    private Optional<Sequence> startNext(Plan plan) {
        Optional<Sequence> next = nextToStart(plan);
        if (next.isEmpty() || !start(next.get(), plan)) {
            return Optional.empty();
        }
        remove(waiting, next.get());
        insert(running, next.get());
        shares.begin(next.get());
        return next;
    }

    /** Makes full blocks findable after a sequence has advanced. */
    public void register(Sequence sequence) {
        blocks.register(sequence.blocks(), sequence.tokens(), sequence.computedTokens());
    }

    /** PREFILLING to LENT: it runs no more, but holds its blocks. */
    public void lend(Sequence sequence, int tokenId, long nowNs, long leaseDeadlineNs) {
        stopRunning(sequence);
        sequence.lend(tokenId, nowNs, leaseDeadlineNs);
        hold(sequence);
    }

    /** PREFILLING to PUSHING: all is computed, not all is written. */
    public void awaitPush(Sequence sequence, int tokenId, long nowNs, long pushDeadlineNs) {
        stopRunning(sequence);
        sequence.awaitPush(tokenId, nowNs, pushDeadlineNs);
        hold(sequence);
    }

    private void stopRunning(Sequence sequence) {
        remove(running, sequence);
        shares.end(sequence);
    }

    private void hold(Sequence sequence) {
        held.add(sequence);
        heldBlocks += sequence.blocks().size();
    }

    /** Nobody waits for the sequence any more, but a transfer touches its blocks: it runs no more and keeps them. */
    public void abandon(Sequence sequence) {
        if (sequence.state() == SequenceState.PREFILLING) {
            stopRunning(sequence);
            hold(sequence);
        }
        sequence.abandon();
    }

    /** Ends a sequence in any state and gives its blocks back; no transfer may touch them any more. */
    public void finish(Sequence sequence) {
        switch (sequence.state()) {
            case WAITING -> remove(waiting, sequence);
            case PREFILLING, DECODING, AWAITING_KV -> stopRunning(sequence);
            case LENT, PUSHING -> {
                remove(held, sequence);
                heldBlocks -= sequence.blocks().size();
            }
            case FINISHED -> throw new IllegalStateException("sequence " + sequence.id() + " has finished already");
        }
        blocks.release(sequence.blocks());
        shares.leave(sequence);
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
        int cachedBlocks = usable(found, tokens);
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
        addPrompt(sequence, plan);
        return true;
    }

    private int cachedBlocks(Sequence sequence) {
        int tokens = sequence.tokenCount();
        return usable(blocks.countCached(sequence.blocks(), sequence.tokens(), tokens), tokens);
    }

    /** One token at least is always computed. */
    private int usable(int foundBlocks, int tokens) {
        return Math.min(foundBlocks, (tokens - 1) / blocks.blockSize());
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
            Sequence victim = shares.youngestOfLargest(running)
                    .orElseThrow(() -> new IllegalStateException("no sequence is running"));
            if (victim == sequence && countPreemptible() == 1) {
                if (held.isEmpty() && running.size() == 1) {
                    throw new IllegalStateException("sequence " + sequence.id() + " alone holds "
                            + sequence.blocks().size() + " of " + blocks.blockCount() + " blocks and finds none free");
                }
                return false; // it keeps its blocks and waits for a lease, a fetch or a push to end
            }
            plan.drop(victim);
            preempt(victim);
            plan.preemptions++;
            if (victim == sequence) {
                return false;
            }
        }
        blocks.extend(sequence.blocks());
        return true;
    }

    private void preempt(Sequence victim) {
        stopRunning(victim);
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
        private Optional<Sequence> first = Optional.empty(); // for whom others gave way
        private int rowsLeft;
        private int preemptions; // for want of blocks: then nobody starts
        private int yields; // for fairness, or because nobody reads
        private boolean isFull; // somebody did not fit, and nobody behind it may overtake it

        Plan(int rows, long nowNs) {
            this.rowsLeft = rows;
            this.nowNs = nowNs;
        }

        /**
         * Gives a sequence rows; false when there are none for it.
         *
         * @param isDivisible fewer rows than are pending are welcome too
         */
        boolean addChunk(Sequence sequence, boolean isDivisible) {
            if (!fits(sequence.pendingTokens(), isDivisible)) {
                isFull = true;
                return false;
            }
            int rows = Math.min(sequence.pendingTokens(), rowsLeft);
            rowsLeft -= rows;
            chunks.add(new ScheduledChunk(sequence, rows));
            return true;
        }

        /** Takes back what a sequence was to compute: the youngest of the client that has most may stand before the one that asks. */
        void drop(Sequence victim) {
            for (int i = chunks.size() - 1; i >= 0; i--) {
                if (chunks.get(i).sequence() == victim) {
                    rowsLeft += chunks.remove(i).rows();
                }
            }
        }

        boolean fits(int pendingTokens, boolean isDivisible) {
            return isDivisible ? rowsLeft > 0 : pendingTokens <= rowsLeft;
        }
    }
}
