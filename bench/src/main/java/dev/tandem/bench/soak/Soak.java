package dev.tandem.bench.soak;

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

/** {@code Soak TOPOLOGY [REQUESTS] [KILL_EVERY_SECONDS] [SEED]}: starts a topology and kills its processes while it is asked. */
public final class Soak {
    private static final int AT_ONCE = 6;
    private static final int MAX_TOKENS = 24;

    private Soak() {}

    /** Ends with status 1 when an answer was wrong or something was lost. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length == 0) {
            System.err.println("usage: Soak TOPOLOGY [REQUESTS] [KILL_EVERY_SECONDS] [SEED]");
            System.exit(2);
        }
        int requests = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 200;
        Duration killEvery = Duration.ofSeconds(arguments.length > 2 ? Long.parseLong(arguments[2]) : 10);
        long seed = arguments.length > 3 ? Long.parseLong(arguments[3]) : 1;
        Path folder = Files.createTempDirectory("tandem-soak-");
        System.out.println("logs in " + folder);
        SoakPlan plan = plan(Path.of(arguments[0]), requests, killEvery, seed);
        long startNs = System.nanoTime();
        SoakReport report = new SoakRun(plan, runtime(Path.of("jvm.options")), folder, System.out::println).run();
        System.out.printf("%.0f s%n%s", (System.nanoTime() - startNs) / 1e9, report.text());
        System.exit(report.isWell() ? 0 : 1);
    }

    /** A soak of a topology file; run in the folder that its model is named from. */
    public static SoakPlan plan(Path file, int requests, Duration killEvery, long seed) {
        Topology topology = Topology.read(file);
        String name = topology.model().servedName();
        var quiet = new ArrayList<>(
                List.of("serve", topology.model().checkpoint().toString(), "--served-model-name", name));
        Map<String, String> flags = topology.prefill().getFirst().settings().flags();
        for (String shared : List.of("dtype", "max-model-len", "quantization")) {
            if (flags.containsKey(shared)) {
                quiet.addAll(List.of("--" + shared, flags.get(shared)));
            }
        }
        var load = new SoakPlan.Load(name, requests, AT_ONCE, MAX_TOKENS);
        return new SoakPlan(LaunchPlan.of(topology), quiet, load, killEvery, seed);
    }

    /** This program's own Java and class path. */
    public static JavaRuntime runtime(Path optionsFile) {
        String java = ProcessHandle.current().info().command().orElseThrow();
        String classPath = ManagementFactory.getRuntimeMXBean().getClassPath();
        return new JavaRuntime(Path.of(java), optionsFile, classPath);
    }
}
