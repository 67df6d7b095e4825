package dev.tandem.bench.soak;

import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.topology.Topology;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * {@code Soak TOPOLOGY pull|layerwise [REQUESTS] [FAULT_EVERY_SECONDS] [SEED] [AT_ONCE]}: starts a topology and does to its processes what a
 * seed says while it is asked.
 */
public final class Soak {
    private static final int AT_ONCE = 32;
    private static final int FAULTS_AT_ONCE = 2;
    private static final int MAX_TOKENS = 32;
    private static final Duration DEADLINE = Duration.ofSeconds(180);

    private Soak() {}

    /** Ends with status 1 when an answer was wrong, late or broken, or something was lost. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length < 2) {
            System.err.println("usage: Soak TOPOLOGY pull|layerwise [REQUESTS] [FAULT_EVERY_SECONDS] [SEED] [AT_ONCE]");
            System.exit(2);
        }
        int requests = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 200;
        Duration faultEvery = Duration.ofSeconds(arguments.length > 3 ? Long.parseLong(arguments[3]) : 5);
        long seed = arguments.length > 4 ? Long.parseLong(arguments[4]) : 1;
        int atOnce = arguments.length > 5 ? Integer.parseInt(arguments[5]) : AT_ONCE;
        Path folder = Files.createTempDirectory("tandem-soak-");
        System.out.println("logs in " + folder);
        Topology topology = withConnector(Topology.read(Path.of(arguments[0])), arguments[1]);
        SoakPlan plan =
                plan(topology, requests, atOnce, List.of(Fault.Kind.values()), FAULTS_AT_ONCE, faultEvery, seed);
        long startNs = System.nanoTime();
        SoakReport report = new SoakRun(plan, runtime(Path.of("jvm.options")), folder, System.out::println).run();
        System.out.printf("%.0f s%n%s", (System.nanoTime() - startNs) / 1e9, report.text());
        if (!report.isWell()) {
            System.out.printf(
                    "again: Soak %s %s %d %d %d %d%n",
                    arguments[0], arguments[1], requests, faultEvery.toSeconds(), seed, atOnce);
        }
        System.exit(report.isWell() ? 0 : 1);
    }

    private static Topology withConnector(Topology topology, String name) {
        KvConnectorName connector = switch (name) {
            case "pull" -> KvConnectorName.MOONCAKE;
            case "layerwise" -> KvConnectorName.MOONCAKE_LAYERWISE;
            default -> throw new IllegalArgumentException(name + " is not pull or layerwise");
        };
        return new Topology(
                topology.model(),
                topology.gateway(),
                topology.gatewayFlags(),
                connector,
                topology.prefill(),
                topology.decode());
    }

    /** A soak of a topology; run in the folder that its model is named from. */
    public static SoakPlan plan(
            Topology topology,
            int requests,
            int atOnce,
            List<Fault.Kind> faults,
            int faultsAtOnce,
            Duration faultEvery,
            long seed) {
        String name = topology.model().servedName();
        var quiet = new ArrayList<>(
                List.of("serve", topology.model().checkpoint().toString(), "--served-model-name", name));
        Map<String, String> flags = topology.prefill().getFirst().settings().flags();
        for (String shared : List.of("dtype", "max-model-len", "quantization")) {
            if (flags.containsKey(shared)) {
                quiet.addAll(List.of("--" + shared, flags.get(shared)));
            }
        }
        var load = new SoakPlan.Load(name, requests, atOnce, MAX_TOKENS, DEADLINE);
        return new SoakPlan(LaunchPlan.of(topology), quiet, load, faults, faultsAtOnce, faultEvery, seed);
    }

    /** This program's own Java and class path. */
    public static JavaRuntime runtime(Path optionsFile) {
        String java = ProcessHandle.current().info().command().orElseThrow();
        String classPath = ManagementFactory.getRuntimeMXBean().getClassPath();
        return new JavaRuntime(Path.of(java), optionsFile, classPath);
    }
}
