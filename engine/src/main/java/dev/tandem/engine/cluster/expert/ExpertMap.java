package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.Seat;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * Which process owns which experts, by ascending expert, without gaps. Immutable.
 *
 * @param segments at least one
 */
record ExpertMap(List<Segment> segments) {
    /**
     * Consecutive experts of one process.
     *
     * @param peer the way to it; empty for this process, and for ranks that are not there
     * @param isOwn experts of this process
     */
    record Segment(int fromExpert, int toExpert, boolean isOwn, Optional<ExpertPeer> peer) {}

    /**
     * @param own this process
     * @param peers the others that are there and own experts
     */
    static ExpertMap of(ExpertSpread spread, int tpSize, Seat own, Map<Seat, ExpertPeer> peers) {
        var seats = new ArrayList<Seat>(peers.keySet());
        seats.add(own);
        seats.sort(Comparator.comparingInt(seat -> seat.ranks().from()));
        var segments = new ArrayList<Segment>();
        int next = 0;
        for (Seat seat : seats) {
            int from = spread.firstOf(seat.ranks().from() * tpSize);
            int to = spread.firstOf(seat.ranks().to() * tpSize);
            add(segments, new Segment(next, from, false, Optional.empty()));
            add(segments, new Segment(from, to, seat.equals(own), Optional.ofNullable(peers.get(seat))));
            next = Math.max(next, to);
        }
        add(segments, new Segment(next, spread.experts(), false, Optional.empty()));
        return new ExpertMap(List.copyOf(segments));
    }

    /** All other processes that are there and own experts, by ascending rank. */
    List<ExpertPeer> peers() {
        return segments.stream()
                .map(segment -> segment.peer().orElse(null))
                .filter(Objects::nonNull)
                .toList();
    }

    private static void add(List<Segment> segments, Segment segment) {
        if (segment.fromExpert() < segment.toExpert()) {
            segments.add(segment);
        }
    }
}
