package dev.tandem.bench;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.ops.simulate.EngineSimulation;
import dev.tandem.ops.simulate.Faults;
import dev.tandem.ops.simulate.SimulatedNetwork;
import dev.tandem.ops.simulate.gateway.GatewaySimulation;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Nodes;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Options;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/**
 * Runs many seeds of a simulation, {@code KIND SEEDS [FIRST]}, and tells what they found, how requests ended and which faults came where; or
 * {@code KIND trace SEED}, with a line for whatever happens. Exit 1 when a seed found something.
 */
public final class SimulationSeeds {
    /** What is simulated. */
    private enum Kind {
        /** Engines before a simulated exchange. */
        ENGINES,
        /** The gateway's pull order before models of nodes. */
        PULL,
        /** Its layerwise order. */
        LAYERWISE,
        /** The gateway before engines; both orders, in turn. */
        WHOLE
    }

    private final Kind kind;
    private final Map<String, Integer> outcomes = new TreeMap<>();
    private final Map<String, Long> counters = new TreeMap<>();
    private final Map<String, Integer> points = new TreeMap<>();
    private final Map<String, Map<Faults.Kind, Integer>> faults = new TreeMap<>(); // by await point
    private long events;
    private int found;

    private SimulationSeeds(Kind kind) {
        this.kind = kind;
    }

    public static void main(String[] arguments) {
        var seeds = new SimulationSeeds(Kind.valueOf(arguments[0].toUpperCase(Locale.ROOT)));
        Logger root = (Logger) LoggerFactory.getLogger("dev.tandem");
        if (arguments[1].equals("trace")) {
            root.setLevel(Level.DEBUG);
            seeds.run(Long.parseLong(arguments[2]), System.out::println);
        } else {
            root.setLevel(Level.OFF);
            long first = arguments.length > 2 ? Long.parseLong(arguments[2]) : 1;
            seeds.run(first, Long.parseLong(arguments[1]));
        }
        System.exit(seeds.found == 0 ? 0 : 1);
    }

    private void run(long first, long count) {
        long startNs = System.nanoTime();
        for (long seed = first; seed < first + count; seed++) {
            run(seed, SimulatedNetwork.NO_TRACE);
        }
        System.out.printf(
                "%s: %d seeds from %d in %.1f s, %d events, %d found something%n",
                word(), count, first, (System.nanoTime() - startNs) / 1e9, events, found);
        outcomes.forEach((outcome, times) -> System.out.printf("%10d %s%n", times, outcome));
        counters.forEach((counter, value) -> System.out.printf("%10d %s%n", value, counter));
        points.forEach((point, times) ->
                System.out.printf("%10d %-24s %s%n", times, point, faults.getOrDefault(point, Map.of())));
    }

    private String word() {
        return kind.name().toLowerCase(Locale.ROOT);
    }

    private void run(long seed, Consumer<String> trace) {
        List<String> violations = switch (kind) {
            case ENGINES -> runEngines(seed, trace);
            case PULL -> runGateway(seed, Options.of(HandoffKind.PULL, Nodes.MODELS), trace);
            case LAYERWISE -> runGateway(seed, Options.of(HandoffKind.LAYERWISE, Nodes.MODELS), trace);
            case WHOLE -> runGateway(seed, Options.whole(seed), trace);
        };
        found += violations.isEmpty() ? 0 : 1;
        for (String violation : violations) {
            System.out.println(
                    "seed " + seed + ": " + violation + "; replay: bench/simulate.sh " + word() + " trace " + seed);
        }
    }

    private List<String> runGateway(long seed, Options options, Consumer<String> trace) {
        GatewaySimulation.Result result = GatewaySimulation.run(seed, options.tracedBy(trace));
        count(result.outcomes(), result.counters(), result.points(), result.faults());
        events += result.events();
        return result.violations();
    }

    private List<String> runEngines(long seed, Consumer<String> trace) {
        try (var simulation = new EngineSimulation(seed, trace)) {
            try {
                simulation.run();
                return List.of();
            } catch (RuntimeException e) {
                return List.of(e.toString());
            } finally {
                Faults drawn = simulation.faults();
                count(simulation.outcomes(), simulation.counters(), drawn.points(), drawn.counts());
                events += simulation.events();
            }
        }
    }

    private void count(
            Map<String, Integer> ends,
            Map<String, Long> counted,
            Map<String, Integer> passed,
            Map<String, Map<Faults.Kind, Integer>> drawn) {
        ends.forEach((outcome, times) -> outcomes.merge(outcome, times, Integer::sum));
        counted.forEach((counter, value) -> counters.merge(counter, value, Long::sum));
        passed.forEach((point, times) -> points.merge(point, times, Integer::sum));
        drawn.forEach((point, kinds) -> kinds.forEach(
                (fault, times) -> faults.computeIfAbsent(point, unseen -> new EnumMap<>(Faults.Kind.class))
                        .merge(fault, times, Integer::sum)));
    }
}
