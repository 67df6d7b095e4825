package dev.tandem.bench;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.ops.simulate.gateway.GatewaySimulation;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Options;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Result;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/**
 * Runs the simulated gateway under many seeds, or one with everything that happens: {@code kind=pull|layerwise seeds=10000 first=0}, {@code
 * kind=pull seed=17}. Exit 1 when a seed found something.
 */
public final class GatewaySeeds {
    private GatewaySeeds() {}

    public static void main(String[] arguments) {
        BenchArguments given = new BenchArguments(Arrays.asList(arguments));
        HandoffKind kind = Arrays.stream(HandoffKind.values())
                .filter(known -> known.word().equals(given.text("kind", "pull")))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("kind is pull or layerwise"));
        int one = given.number("seed", -1);
        ((Logger) LoggerFactory.getLogger("dev.tandem.gateway")).setLevel(one >= 0 ? Level.INFO : Level.OFF);
        int first = one >= 0 ? one : given.number("first", 0);
        int seeds = one >= 0 ? 1 : given.number("seeds", 200);
        Consumer<String> trace = one >= 0 ? System.out::println : line -> {};
        System.exit(run(kind, first, seeds, trace) ? 0 : 1);
    }

    private static boolean run(HandoffKind kind, int first, int seeds, Consumer<String> trace) {
        long startNs = System.nanoTime();
        var options = new Options(kind, true, (calls, fleet) -> calls, trace);
        int bad = 0;
        long events = 0;
        long virtualNs = 0;
        Map<String, Integer> outcomes = new TreeMap<>();
        Map<String, Map<String, Integer>> faults = new TreeMap<>();
        for (long seed = first; seed < (long) first + seeds; seed++) {
            Result result = GatewaySimulation.run(seed, options);
            bad += result.violations().isEmpty() ? 0 : 1;
            events += result.events();
            virtualNs += result.virtualNs();
            result.outcomes().forEach((outcome, count) -> outcomes.merge(outcome, count, Integer::sum));
            result.faults()
                    .forEach((point, kinds) ->
                            kinds.forEach((fault, count) -> faults.computeIfAbsent(point, unseen -> new TreeMap<>())
                                    .merge(fault.name(), count, Integer::sum)));
            for (String violation : result.violations()) {
                System.out.println(
                        "seed " + seed + ": " + violation + "; replay with kind=" + kind.word() + " seed=" + seed);
            }
        }
        System.out.printf(
                "kind=%s seeds=%d found=%d seconds=%.1f virtualHours=%.1f events=%d clients=%s%n",
                kind.word(), seeds, bad, (System.nanoTime() - startNs) / 1e9, virtualNs / 3.6e12, events, outcomes);
        faults.forEach((point, kinds) -> System.out.printf("%-24s %s%n", point, kinds));
        return bad == 0;
    }
}
