package dev.tandem.engine.cluster;

import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.Replica;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.sample.PositionRandom;
import dev.tandem.parallel.Shard;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;

/**
 * All data-parallel ranks that this process gives requests to, its own and those of nodes that joined. A request goes to the living rank
 * with the least {@code 4 * waiting + running}, counted here where requests are admitted; of equal ranks they take turns. A request whose
 * rank dies before it has answered anything is run again on another one, with the same seed. Thread-safe: one lock, held for a few
 * instructions and never while a replica is given something.
 */
public final class ReplicaSet implements Replica {
    private static final int REMEMBERED_LEASES = 1 << 16;
    private static final int WAITING_WEIGHT = 4;

    /** One rank; {@code open} is guarded by the set's lock. */
    static final class Entry {
        private final int dpRank;
        private final Replica replica;
        private final String place;
        private int open; // requests given to it that have not ended

        Entry(int dpRank, Replica replica, String place) {
            this.dpRank = dpRank;
            this.replica = replica;
            this.place = place;
        }

        Replica replica() {
            return replica;
        }

        @Override
        public String toString() {
            return "data-parallel rank " + dpRank + " (" + place + ")";
        }

        /**
         * What it has to do. Its state may be old: what was given to it since is counted as waiting, what has ended since no more.
         */
        long load(EngineStatus state) {
            int atWork = Math.min(open, state.load().running() + state.load().awaitingKv());
            int waiting = Math.max(state.load().waiting(), open - atWork);
            return (long) WAITING_WEIGHT * waiting + atWork;
        }
    }

    private final int dpSize;
    private final long baseSeed;
    private final Counters<ClusterCounter> counters;
    private final ReentrantLock lock = new ReentrantLock();
    private final TreeMap<Integer, Entry> entries = new TreeMap<>(); // by rank; guarded by the lock, as all below
    private final Set<String> liveIds = new HashSet<>();
    private final Map<String, Entry> lenders = new LinkedHashMap<>(); // by request id, the oldest first
    private long submissions;
    private int lastRank = -1; // of the last request

    /**
     * @param dpSize ranks of the deployment, for messages
     * @param baseSeed {@code --seed}: of the seeds drawn for requests without one
     */
    public ReplicaSet(int dpSize, long baseSeed, Counters<ClusterCounter> counters) {
        this.dpSize = dpSize;
        this.baseSeed = baseSeed;
        this.counters = counters;
    }

    /**
     * A rank that requests may be given to from now on.
     *
     * @param place where it is, for messages
     */
    public void add(int dpRank, Replica replica, String place) {
        lock.lock();
        try {
            if (entries.putIfAbsent(dpRank, new Entry(dpRank, replica, place)) != null) {
                throw new IllegalStateException("data-parallel rank " + dpRank + " is there already");
            }
        } finally {
            lock.unlock();
        }
    }

    /** These ranks get no more requests. */
    void remove(Shard ranks) {
        lock.lock();
        try {
            entries.subMap(ranks.from(), ranks.to()).clear();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public TokenStream submit(Request request) {
        return submit(request, OptionalInt.empty());
    }

    /**
     * Gives a request to a rank.
     *
     * @param pinnedRank the only rank that may serve it, if its client wants one
     * @throws EngineException UNAVAILABLE when no rank is there, OVERLOADED, INVALID or TOO_LONG; then nothing was queued
     */
    public TokenStream submit(Request request, OptionalInt pinnedRank) {
        if (pinnedRank.isPresent() && (pinnedRank.getAsInt() < 0 || pinnedRank.getAsInt() >= dpSize)) {
            throw new EngineException(
                    Kind.INVALID,
                    "data-parallel rank " + pinnedRank.getAsInt() + " is not between 0 and " + (dpSize - 1));
        }
        Request seeded = claim(request);
        boolean isSubmitted = false;
        try {
            var stream = new BalancedStream(this, seeded, pinnedRank);
            stream.start();
            isSubmitted = true;
            return stream;
        } finally {
            if (!isSubmitted) {
                free(request.id());
            }
        }
    }

    /** Goes to the rank that lent blocks for this request, or to all when that is not known. */
    @Override
    public void cancelLease(String requestId) {
        for (Entry entry : lendersOf(requestId)) {
            entry.replica.cancelLease(requestId);
        }
    }

    /** Sums over all ranks; it has failed when no rank lives. */
    @Override
    public EngineStatus status() {
        var states = statuses().values();
        int waiting = 0;
        int running = 0;
        int lent = 0;
        int awaitingKv = 0;
        int total = 0;
        int free = 0;
        int cached = 0;
        int lentBlocks = 0;
        var sums = new EnumMap<EngineCounter, Long>(EngineCounter.class);
        Optional<String> failure = Optional.of("no data-parallel rank is there");
        for (EngineCounter counter : EngineCounter.values()) {
            sums.put(counter, 0L);
        }
        for (EngineStatus state : states) {
            waiting += state.load().waiting();
            running += state.load().running();
            lent += state.load().lent();
            awaitingKv += state.load().awaitingKv();
            total += state.blocks().total();
            free += state.blocks().free();
            cached += state.blocks().cached();
            lentBlocks += state.blocks().lent();
            state.counters().forEach((counter, count) -> sums.merge(counter, count, Long::sum));
            failure = failure.isEmpty() || state.failure().isEmpty() ? Optional.empty() : state.failure();
        }
        return new EngineStatus(
                failure,
                new EngineStatus.Load(waiting, running, lent, awaitingKv),
                new EngineStatus.Blocks(total, free, cached, lentBlocks),
                Collections.unmodifiableMap(sums));
    }

    /** The state of each rank that is there, by rank. */
    public SortedMap<Integer, EngineStatus> statuses() {
        var states = new TreeMap<Integer, EngineStatus>();
        for (Entry entry : all()) {
            states.put(entry.dpRank, entry.replica.status());
        }
        return states;
    }

    /** The living rank with the least to do, now with one request more. */
    Entry take(Request request, OptionalInt pinnedRank) {
        lock.lock();
        try {
            Entry best = null;
            long leastLoad = Long.MAX_VALUE;
            for (Entry entry : inTurn(pinnedRank)) {
                EngineStatus state = entry.replica.status();
                if (state.failure().isEmpty() && entry.load(state) < leastLoad) {
                    best = entry;
                    leastLoad = entry.load(state);
                }
            }
            if (best == null) {
                throw new EngineException(Kind.UNAVAILABLE, whyNone(pinnedRank));
            }
            best.open++;
            lastRank = best.dpRank;
            if (request.handoff() instanceof HandoffRole.Lend) {
                remember(request.id(), best);
            }
            return best;
        } finally {
            lock.unlock();
        }
    }

    /** A request that was given to this rank has ended there, however. */
    void give(Entry entry) {
        lock.lock();
        try {
            entry.open--;
        } finally {
            lock.unlock();
        }
    }

    /** A request has ended for good: its id may be used again. */
    void free(String requestId) {
        lock.lock();
        try {
            liveIds.remove(requestId);
        } finally {
            lock.unlock();
        }
    }

    Counters<ClusterCounter> counters() {
        return counters;
    }

    /** The request, with a seed: wherever and how often it runs, its tokens are the same. */
    private Request claim(Request request) {
        lock.lock();
        try {
            if (!liveIds.add(request.id())) {
                throw EngineException.inUse(request.id(), "it is being served");
            }
            long order = submissions++;
            if (request.sampling().seed().isPresent()) {
                return request;
            }
            return new Request(
                    request.id(),
                    request.promptTokenIds(),
                    request.sampling().withSeed(PositionRandom.seed(baseSeed, order)),
                    request.handoff(),
                    request.deadline(),
                    request.client());
        } finally {
            lock.unlock();
        }
    }

    /** The ranks in question, beginning behind the one that had the last request. Guarded by the lock. */
    private List<Entry> inTurn(OptionalInt pinnedRank) {
        if (pinnedRank.isPresent()) {
            Entry entry = entries.get(pinnedRank.getAsInt());
            return entry == null ? List.of() : List.of(entry);
        }
        var inTurn = new ArrayList<>(entries.tailMap(lastRank, false).values());
        inTurn.addAll(entries.headMap(lastRank, true).values());
        return inTurn;
    }

    /** Guarded by the lock. */
    private String whyNone(OptionalInt pinnedRank) {
        if (pinnedRank.isPresent()) {
            return "data-parallel rank " + pinnedRank.getAsInt() + " is not there";
        }
        if (entries.isEmpty()) {
            return "none of " + dpSize + " data-parallel ranks is there";
        }
        Entry first = entries.firstEntry().getValue();
        return "all " + entries.size() + " data-parallel ranks are down, " + first + ": "
                + first.replica.status().failure().orElse("just back");
    }

    /** Guarded by the lock. */
    private void remember(String requestId, Entry entry) {
        lenders.remove(requestId);
        lenders.put(requestId, entry);
        if (lenders.size() > REMEMBERED_LEASES) {
            var oldest = lenders.keySet().iterator();
            oldest.next();
            oldest.remove();
        }
    }

    private List<Entry> lendersOf(String requestId) {
        lock.lock();
        try {
            Entry lender = lenders.remove(requestId);
            return lender == null ? List.copyOf(entries.values()) : List.of(lender);
        } finally {
            lock.unlock();
        }
    }

    private List<Entry> all() {
        lock.lock();
        try {
            return List.copyOf(entries.values());
        } finally {
            lock.unlock();
        }
    }
}
