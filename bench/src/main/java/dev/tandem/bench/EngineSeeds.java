package dev.tandem.bench;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.ops.simulate.EngineSimulation;
import dev.tandem.ops.simulate.Faults.Kind;
import dev.tandem.ops.simulate.SimulatedNetwork;
import java.util.EnumMap;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.LoggerFactory;

/**
 * Runs the simulated engines of many seeds, {@code SEEDS [FIRST]}, and tells how requests ended and which faults came where; or {@code trace
 * SEED}, with a line for whatever happens. Exit 1 when a seed found something.
 */
public final class EngineSeeds {
    private final Map<String, Integer> outcomes = new TreeMap<>();
    private final Map<String, Long> counters = new TreeMap<>();
    private final Map<String, Integer> points = new TreeMap<>();
    private final Map<String, Map<Kind, Integer>> faults = new TreeMap<>(); // by await point
    private long events;
    private long fingerprint;

    private EngineSeeds() {}

    public static void main(String[] arguments) {
        Logger root = (Logger) LoggerFactory.getLogger("dev.tandem");
        if (arguments[0].equals("trace")) {
            root.setLevel(Level.DEBUG);
            trace(Long.parseLong(arguments[1]));
            return;
        }
        root.setLevel(Level.OFF);
        long seeds = Long.parseLong(arguments[0]);
        long first = arguments.length > 1 ? Long.parseLong(arguments[1]) : 1;
        System.exit(new EngineSeeds().run(seeds, first) ? 0 : 1);
    }

    private static void trace(long seed) {
        try (var simulation = new EngineSimulation(seed, System.out::println)) {
            simulation.run();
            System.out.println(simulation.outcomes() + " fingerprint "
                    + simulation.faults().fingerprint());
        }
    }

    private boolean run(long seeds, long first) {
        int found = 0;
        long startNs = System.nanoTime();
        for (long seed = first; seed < first + seeds; seed++) {
            try (var simulation = new EngineSimulation(seed, SimulatedNetwork.NO_TRACE)) {
                try {
                    simulation.run();
                } catch (RuntimeException e) {
                    found++;
                    System.out.println("seed " + seed + ": " + e + "; replay: bench/simulate.sh trace " + seed);
                }
                count(simulation);
            }
        }
        System.out.printf(
                "%d seeds from %d in %.1f s, %d events, %d found something, fingerprint %x%n",
                seeds, first, (System.nanoTime() - startNs) / 1e9, events, found, fingerprint);
        outcomes.forEach((outcome, count) -> System.out.printf("%10d %s%n", count, outcome));
        counters.forEach((counter, value) -> System.out.printf("%10d %s%n", value, counter));
        points.forEach((point, count) ->
                System.out.printf("%10d %-24s %s%n", count, point, faults.getOrDefault(point, Map.of())));
        return found == 0;
    }

    private void count(EngineSimulation simulation) {
        events += simulation.events();
        fingerprint = fingerprint * 31 + simulation.faults().fingerprint();
        simulation.outcomes().forEach((outcome, count) -> outcomes.merge(outcome, count, Integer::sum));
        simulation.counters().forEach((counter, value) -> counters.merge(counter, value, Long::sum));
        simulation.faults().points().forEach((point, count) -> points.merge(point, count, Integer::sum));
        simulation
                .faults()
                .counts()
                .forEach((point, kinds) -> kinds.forEach(
                        (kind, count) -> faults.computeIfAbsent(point, unseen -> new EnumMap<>(Kind.class))
                                .merge(kind, count, Integer::sum)));
    }
}
