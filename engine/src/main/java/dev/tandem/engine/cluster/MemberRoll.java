package dev.tandem.engine.cluster;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Who is there, who was, and who may come. Pure but for what it remembers; guarded by the head's lock. */
final class MemberRoll {
    /** A process that is there or was. */
    private record Entry(Seat seat, Optional<String> downReason, long sinceNs, long joins) {
        boolean isUp() {
            return downReason.isEmpty();
        }
    }

    private final Seat own;
    private final int dpSize;
    private final TreeMap<Integer, Entry> entries = new TreeMap<>(); // by first rank; ranks do not overlap

    MemberRoll(Seat own, int dpSize) {
        this.own = own;
        this.dpSize = dpSize;
    }

    /** What speaks against a process at this place; it may come when nothing does. */
    Optional<Refusal> objection(Seat seat) {
        if (seat.ranks().to() > dpSize) {
            return Optional.of(new Refusal("data-parallel ranks", "ranks 0.." + (dpSize - 1), ranks(seat), true));
        }
        if (seat.overlaps(own)) {
            return Optional.of(new Refusal("data-parallel ranks", ranks(own) + " itself", ranks(seat), true));
        }
        for (Entry entry : entries.values()) {
            if (entry.isUp() && entry.seat().overlaps(seat)) {
                // not final: it may be the same node, back before its end was noticed
                return Optional.of(new Refusal(
                        "data-parallel ranks",
                        ranks(entry.seat()) + " of " + entry.seat().host() + " already",
                        ranks(seat),
                        false));
            }
        }
        return Optional.empty();
    }

    /** A process is there, against which nothing speaks. Gives how often it has joined now. */
    long join(Seat seat, long nowNs) {
        Entry before = entries.get(seat.ranks().from());
        long joins = before != null && before.seat().ranks().equals(seat.ranks()) ? before.joins() + 1 : 1;
        entries.values().removeIf(entry -> entry.seat().overlaps(seat)); // none of them is up
        entries.put(seat.ranks().from(), new Entry(seat, Optional.empty(), nowNs, joins));
        return joins;
    }

    /** A process that was there is gone. */
    void leave(Seat seat, String reason, long nowNs) {
        entries.computeIfPresent(
                seat.ranks().from(), (from, entry) -> new Entry(seat, Optional.of(reason), nowNs, entry.joins()));
    }

    /** All that are there, with the head itself. */
    Members members() {
        var seats = new ArrayList<Seat>();
        if (own.ranks().size() > 0) {
            seats.add(own);
        }
        for (Entry entry : entries.values()) {
            if (entry.isUp()) {
                seats.add(entry.seat());
            }
        }
        return new Members(seats);
    }

    /** All others that are there or were, by ascending rank. */
    List<MemberStatus> statuses(long nowNs) {
        var statuses = new ArrayList<MemberStatus>();
        for (Map.Entry<Integer, Entry> named : entries.entrySet()) {
            Entry entry = named.getValue();
            statuses.add(new MemberStatus(
                    entry.seat(), entry.downReason(), Duration.ofNanos(nowNs - entry.sinceNs()), entry.joins()));
        }
        return statuses;
    }

    private static String ranks(Seat seat) {
        return "ranks " + seat.ranks().from() + ".." + (seat.ranks().to() - 1);
    }
}
