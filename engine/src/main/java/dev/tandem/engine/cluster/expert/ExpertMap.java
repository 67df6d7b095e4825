package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.MemberPlacement;
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
    static ExpertMap of(
            ExpertDistribution distribution, int tpSize, MemberPlacement own, Map<MemberPlacement, ExpertPeer> peers) {
        var placements = new ArrayList<MemberPlacement>(peers.keySet());
        placements.add(own);
        placements.sort(Comparator.comparingInt(placement -> placement.ranks().from()));
        var segments = new ArrayList<Segment>();
        int next = 0;
        for (MemberPlacement placement : placements) {
            int from = distribution.firstOf(placement.ranks().from() * tpSize);
            int to = distribution.firstOf(placement.ranks().to() * tpSize);
            add(segments, new Segment(next, from, false, Optional.empty()));
            add(segments, new Segment(from, to, placement.equals(own), Optional.ofNullable(peers.get(placement))));
            next = Math.max(next, to);
        }
        add(segments, new Segment(next, distribution.experts(), false, Optional.empty()));
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
