package dev.tandem.ops.simulate;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Which faults a seed brings, drawn at every await point: wherever the simulated code waits for a message, a timer or the end of a
 * computation, and another machine, or its own end, may come first. Seeds differ in how many faults they bring and in which kinds, so that
 * rare ones are not drowned by frequent ones. One thread.
 */
public final class Faults {
    /** What can go wrong. */
    public enum Kind {
        /** A connection carries nothing any more, and neither side is told. */
        LOSS,
        /** A connection ends, and both sides are told. */
        RESET,
        /** What was about to happen comes much later; what follows it on the same connection too. */
        DELAY,
        /** What was about to happen comes a little later, behind what others do meanwhile. */
        REORDER,
        /** Two hosts do not reach each other for a while; what they sent arrives afterwards. */
        PARTITION,
        /** A host stands still for a while; what came for it meanwhile happens afterwards. */
        HANG,
        /** A host's processes end; it starts again later, with nothing of what it knew. */
        CRASH
    }

    private static final int MOST_RATE = 6; // 4^-6 of the await points at the least, where a seed brings faults at all

    private final SplittableRandom random;
    private final double rate;
    private final Set<Kind> kinds;
    private final long untilNs;
    private final Map<String, Map<Kind, Integer>> drawn = new HashMap<>(); // by await point
    private final Map<String, Integer> points = new HashMap<>(); // await points come by
    private long fingerprint;

    /**
     * @param rate share of the await points that bring a fault
     * @param kinds that may come
     * @param untilNs no fault begins later
     */
    public Faults(SplittableRandom random, double rate, Set<Kind> kinds, long untilNs) {
        this.random = random;
        this.rate = rate;
        this.kinds = kinds.isEmpty() ? EnumSet.noneOf(Kind.class) : EnumSet.copyOf(kinds);
        this.untilNs = untilNs;
    }

    /** No fault. */
    public static Faults none() {
        return new Faults(new SplittableRandom(0), 0, Set.of(), 0);
    }

    /** Rate and kinds are drawn too; one seed of eight brings none. */
    public static Faults drawn(SplittableRandom random, long untilNs) {
        var kinds = EnumSet.noneOf(Kind.class);
        for (Kind kind : Kind.values()) {
            if (random.nextBoolean()) {
                kinds.add(kind);
            }
        }
        double rate = random.nextInt(8) == 0 ? 0 : Math.pow(4, -1 - random.nextDouble() * MOST_RATE);
        return new Faults(random, rate, kinds, untilNs);
    }

    /** The fault that comes at an await point, of those that make sense there. */
    Optional<Kind> draw(String point, long nowNs, Set<Kind> possible) {
        points.merge(point, 1, Integer::sum);
        fingerprint = (fingerprint ^ nowNs ^ point.hashCode()) * 0x9e3779b97f4a7c15L;
        if (rate == 0 || nowNs >= untilNs || random.nextDouble() >= rate) {
            return Optional.empty();
        }
        var here = EnumSet.copyOf(possible);
        here.retainAll(kinds);
        if (here.isEmpty()) {
            return Optional.empty();
        }
        Kind kind = List.copyOf(here).get(random.nextInt(here.size()));
        drawn.computeIfAbsent(point, unseen -> new EnumMap<>(Kind.class)).merge(kind, 1, Integer::sum);
        return Optional.of(kind);
    }

    /** How long a fault lasts: between a thousandth of the longest time and all of it, short ones as often as long ones. */
    long duration(long longestNs) {
        return (long) (longestNs * Math.pow(1000, -random.nextDouble()));
    }

    boolean coin() {
        return random.nextBoolean();
    }

    /** One of several. */
    <T> T any(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }

    /** How often each kind came at each await point. */
    public Map<String, Map<Kind, Integer>> counts() {
        return new TreeMap<>(drawn);
    }

    /** How often each await point was passed. */
    public Map<String, Integer> points() {
        return new TreeMap<>(points);
    }

    /** Whether none can come. */
    public boolean isNone() {
        return rate == 0 || kinds.isEmpty();
    }

    /** A number that two runs have in common when each of their await points came at the same time. */
    public long fingerprint() {
        return fingerprint;
    }

    @Override
    public String toString() {
        return isNone() ? "no faults" : String.format("%.5f of %s", rate, new ArrayList<>(kinds));
    }
}
