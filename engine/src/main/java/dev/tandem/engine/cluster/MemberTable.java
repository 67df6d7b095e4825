package dev.tandem.engine.cluster;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Who is there, who was, and who may come. Pure but for what it remembers; guarded by the head's lock. */
final class MemberTable {
    /** A process that is there or was. */
    private record Entry(MemberPlacement placement, Optional<String> downReason, long sinceNs, long joins) {
        boolean isUp() {
            return downReason.isEmpty();
        }
    }

    private final MemberPlacement own;
    private final int dpSize;
    private final TreeMap<Integer, Entry> entries = new TreeMap<>(); // by first rank; ranks do not overlap

    MemberTable(MemberPlacement own, int dpSize) {
        this.own = own;
        this.dpSize = dpSize;
    }

    /** Why a process with this placement may not join; empty when it may. */
    Optional<Refusal> objection(MemberPlacement placement) {
        if (placement.ranks().to() > dpSize) {
            return Optional.of(new Refusal("data-parallel ranks", "ranks 0.." + (dpSize - 1), ranks(placement), true));
        }
        if (placement.overlaps(own)) {
            return Optional.of(new Refusal("data-parallel ranks", ranks(own) + " itself", ranks(placement), true));
        }
        for (Entry entry : entries.values()) {
            if (entry.isUp() && entry.placement().overlaps(placement)) {
                // not final: it may be the same node, back before its end was noticed
                return Optional.of(new Refusal(
                        "data-parallel ranks",
                        ranks(entry.placement()) + " of " + entry.placement().host() + " already",
                        ranks(placement),
                        false));
            }
        }
        return Optional.empty();
    }

    /** A process to which there is no objection has joined. Returns how often it has by now. */
    long join(MemberPlacement placement, long nowNs) {
        Entry before = entries.get(placement.ranks().from());
        long joins = before != null && before.placement().ranks().equals(placement.ranks()) ? before.joins() + 1 : 1;
        entries.values().removeIf(entry -> entry.placement().overlaps(placement)); // none of them is up
        entries.put(placement.ranks().from(), new Entry(placement, Optional.empty(), nowNs, joins));
        return joins;
    }

    /** A process that was there is gone. */
    void leave(MemberPlacement placement, String reason, long nowNs) {
        entries.computeIfPresent(
                placement.ranks().from(),
                (from, entry) -> new Entry(placement, Optional.of(reason), nowNs, entry.joins()));
    }

    /** All that are there, with the head itself. */
    Members members() {
        var placements = new ArrayList<MemberPlacement>();
        if (own.ranks().size() > 0) {
            placements.add(own);
        }
        for (Entry entry : entries.values()) {
            if (entry.isUp()) {
                placements.add(entry.placement());
            }
        }
        return new Members(placements);
    }

    /** All others that are there or were, by ascending rank. */
    List<MemberStatus> statuses(long nowNs) {
        var statuses = new ArrayList<MemberStatus>();
        for (Map.Entry<Integer, Entry> named : entries.entrySet()) {
            Entry entry = named.getValue();
            statuses.add(new MemberStatus(
                    entry.placement(), entry.downReason(), Duration.ofNanos(nowNs - entry.sinceNs()), entry.joins()));
        }
        return statuses;
    }

    private static String ranks(MemberPlacement placement) {
        return "ranks " + placement.ranks().from() + ".." + (placement.ranks().to() - 1);
    }
}
