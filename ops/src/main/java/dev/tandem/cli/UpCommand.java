package dev.tandem.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.check.LaunchCheck;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.Cluster;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.LaunchScript;
import dev.tandem.ops.launch.RankTableStep;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.verify.GatewayHealth;
import dev.tandem.ops.verify.Report;
import dev.tandem.ops.verify.Target;
import dev.tandem.ops.verify.Verification;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.ranktable.DeviceKind;
import dev.tandem.preflight.ranktable.DeviceSource;
import dev.tandem.preflight.ranktable.RankTableFile;
import dev.tandem.preflight.ranktable.RankTablePlan;
import dev.tandem.preflight.ranktable.RankTableRun;
import dev.tandem.preflight.ranktable.RankTableRun.Rendezvous;
import java.io.Console;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.slf4j.LoggerFactory;

/** {@code tandem up [TOPOLOGY]}: starts a whole cluster, verifies it with one request, stays in the foreground. */
final class UpCommand implements Main.Verb {
    private static final Duration START_LIMIT = Duration.ofMinutes(5);
    private static final Duration VERIFY_LIMIT = Duration.ofMinutes(5);
    private static final long POLL_PERIOD_MS = 100;
    private static final int TAIL_LINES = 15;
    private static final String DEFAULT_TOPOLOGY = "topologies/local-1p1d.yaml";

    private static final String USAGE = """
            usage: tandem up [TOPOLOGY] [--model CHECKPOINT] [--served-model-name NAME] [--print] [--json] [--once]

              TOPOLOGY             a topology file (default: topologies/local-1p1d.yaml)
              --model              serve another checkpoint than the file names
              --served-model-name  the name that requests use (default: the checkpoint's)
              --print              start nothing; show the script of each node, the proxy's and the question
              --json               one JSON object a line instead of text
              --once               stop after the verification; its status is the exit status
            """;

    @Override
    public String summary() {
        return "start gateway, prefill and decode nodes, verify them, stay in the foreground";
    }

    /** What was asked for. */
    private record Options(Optional<Path> topology, Optional<Path> model, Optional<String> name, Set<String> switches) {
        boolean isPrinted() {
            return switches.contains("--print");
        }

        boolean isJson() {
            return switches.contains("--json");
        }

        boolean isOnce() {
            return switches.contains("--once");
        }

        static Options of(List<String> words) {
            var positional = new ArrayList<String>();
            var values = new HashMap<String, String>();
            var switches = new HashSet<String>();
            for (int i = 0; i < words.size(); i++) {
                String word = words.get(i);
                if (Set.of("--print", "--json", "--once").contains(word)) {
                    switches.add(word);
                } else if (Set.of("--model", "--served-model-name").contains(word) && i + 1 < words.size()) {
                    values.put(word, words.get(++i));
                } else if (word.startsWith("-")) {
                    throw new FlagException("unknown flag " + word + "\n" + USAGE);
                } else {
                    positional.add(word);
                }
            }
            if (positional.size() > 1) {
                throw new FlagException("give one topology file, not " + positional);
            }
            return new Options(
                    positional.stream().findFirst().map(Path::of),
                    Optional.ofNullable(values.get("--model")).map(Path::of),
                    Optional.ofNullable(values.get("--served-model-name")),
                    switches);
        }
    }

    @Override
    public int run(List<String> all) throws IOException, InterruptedException {
        if (all.contains("--help") || all.contains("-h")) {
            System.out.print(USAGE);
            return Exit.WELL;
        }
        ProcessOptions process = ProcessOptions.of(all);
        process.watchParent();
        Options options = Options.of(process.words());
        ((Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME)).setLevel(Level.WARN);
        Path home =
                Path.of(System.getProperty("tandem.home", ".")).toAbsolutePath().normalize();
        Topology topology = topology(options, home);
        LaunchPlan plan = LaunchPlan.of(topology);
        if (options.isPrinted()) {
            System.out.print(LaunchScript.of(topology, plan));
            return Exit.WELL;
        }
        Path folder = Files.createTempDirectory("tandem-up-");
        var display = UpDisplay.of(options.isJson(), isTerminal());
        LaunchPlan tabled = withRankTable(topology, plan, folder, display);
        String name = options.topology().map(Path::toString).orElse(DEFAULT_TOPOLOGY);
        List<Finding> findings = LaunchCheck.run(name, topology, tabled);
        display.checked(findings);
        if (findings.stream().anyMatch(Finding::isError)) {
            remove(folder);
            return Exit.FAILED;
        }
        Cluster cluster = Cluster.start(tabled, runtime(home), folder, Map.of());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(cluster, display, folder), "cluster-close"));
        if (!awaitReady(cluster, topology, display)) {
            cluster.close();
            return Exit.FAILED;
        }
        display.table(cluster.children());
        boolean isWell = verify(cluster, topology, display);
        process.ready(Map.of("gateway", topology.gateway().toString(), "verified", isWell));
        if (options.isOnce()) {
            cluster.close();
            return isWell ? Exit.WELL : Exit.FAILED;
        }
        display.line("running", "Ctrl-C stops all processes; their logs are in " + folder);
        return watch(cluster, display);
    }

    /**
     * Makes the rank table, where one is needed, beside the logs, and the plan that names it: all nodes are here, and without accelerators.
     * A file that the topology names is left alone.
     */
    private static LaunchPlan withRankTable(Topology topology, LaunchPlan plan, Path folder, UpDisplay display)
            throws IOException, InterruptedException {
        if (plan.rankTable().isEmpty()) {
            return plan;
        }
        RankTablePlan nodes = plan.rankTable().get().plan();
        Path file = folder.resolve(RankTableStep.DEFAULT_PATH);
        List<Integer> devices =
                IntStream.range(0, nodes.counts().perNode()).boxed().toList();
        var run = new RankTableRun(
                nodes,
                new DeviceSource(Optional.of(DeviceKind.CPU), devices, Optional.empty()),
                new RankTableFile(file, false),
                new Rendezvous(Rendezvous.DEFAULT_PORT, Rendezvous.DEFAULT_LIMIT));
        List<Integer> all = IntStream.range(0, nodes.nodes().size()).boxed().toList();
        RankTable table = run.run(all, line -> {}).table();
        display.line(
                "rank-table",
                "rank table " + file + ": " + table.prefill().size() + " prefill and "
                        + table.decode().size() + " decode devices on " + table.serverCount() + " nodes");
        return LaunchPlan.of(topology, file);
    }

    /** Ends everything, whatever the reason; logs stay where they tell why a process died. */
    private static void stop(Cluster cluster, UpDisplay display, Path folder) {
        display.silence();
        cluster.close();
        if (!display.hasReportedDeath()) {
            remove(folder);
        }
    }

    private static void remove(Path folder) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                Files.delete(file);
            }
            Files.delete(folder);
        } catch (IOException e) {
            System.err.println("tandem: the logs in " + folder + " could not be removed: " + e.getMessage());
        }
    }

    @SuppressWarnings("SystemConsoleNull") // null when the JDK is told to use its old console
    private static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    private static Topology topology(Options options, Path home) {
        Path file = options.topology().orElse(home.resolve(DEFAULT_TOPOLOGY));
        Topology read = Topology.read(file);
        if (options.model().isEmpty()) {
            return read.under(home, options.name().orElse(read.model().servedName()));
        }
        Path model = options.model().get();
        return read.withModel(model, options.name().orElse(String.valueOf(model.getFileName())));
    }

    private static JavaRuntime runtime(Path home) {
        String java = ProcessHandle.current().info().command().orElse(System.getProperty("java.home") + "/bin/java");
        return new JavaRuntime(Path.of(java), home.resolve("jvm.options"), System.getProperty("java.class.path"));
    }

    private static boolean awaitReady(Cluster cluster, Topology topology, UpDisplay display)
            throws InterruptedException {
        var health = new GatewayHealth(topology.gateway());
        long deadlineNs = System.nanoTime() + START_LIMIT.toNanos();
        while (!cluster.isReady()
                || health.missing(
                                Topology.withHttp(topology.prefill()).size(),
                                Topology.withHttp(topology.decode()).size())
                        .isPresent()) {
            Optional<Child> dead = cluster.dead();
            if (dead.isPresent()) {
                display.died(dead.get(), TAIL_LINES);
                return false;
            }
            if (System.nanoTime() > deadlineNs) {
                display.line("failed", "not ready after " + START_LIMIT.toSeconds() + " s");
                return false;
            }
            display.waiting(cluster.children());
            Thread.sleep(POLL_PERIOD_MS);
        }
        display.ready(cluster.children());
        return true;
    }

    /** The key that the decode nodes ask for, where they do. */
    private static Optional<String> apiKey(Topology topology) {
        return Optional.ofNullable(
                topology.decode().getFirst().settings().flags().get("api-key"));
    }

    /** Verifies the cluster; a process that dies meanwhile ends the wait. */
    private static boolean verify(Cluster cluster, Topology topology, UpDisplay display) throws InterruptedException {
        String model = topology.model().servedName();
        var verification = new Verification(
                Target.of(topology.gateway()),
                new Verification.Question(Optional.of(model), apiKey(topology), Verification.PROMPT),
                List.of(),
                Verification.Limits.DEFAULT);
        var seen = new CompletableFuture<Report>();
        Thread worker = Thread.ofVirtual().name("verification").start(() -> run(verification, seen));
        long deadlineNs = System.nanoTime() + VERIFY_LIMIT.toNanos();
        while (!seen.isDone() && cluster.dead().isEmpty() && System.nanoTime() < deadlineNs) {
            Thread.sleep(POLL_PERIOD_MS);
        }
        Optional<Child> dead = cluster.dead();
        if (!seen.isDone()) {
            worker.interrupt();
            dead.ifPresentOrElse(
                    child -> display.died(child, TAIL_LINES),
                    () -> display.line("failed", "not verified after " + VERIFY_LIMIT.toSeconds() + " s"));
            return false;
        }
        Report report = seen.join();
        display.report(report, verification.curl(model));
        return report.isWell() && report.isDisaggregated();
    }

    /** Completes {@code seen} in any case. */
    private static void run(Verification verification, CompletableFuture<Report> seen) {
        try {
            seen.complete(verification.run(row -> {}));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            seen.completeExceptionally(e);
        } catch (RuntimeException e) {
            seen.completeExceptionally(e);
        }
    }

    /** Reports a process that dies, once each; ends when none is left. */
    private static int watch(Cluster cluster, UpDisplay display) throws InterruptedException {
        var reported = new ArrayList<Child>();
        while (reported.size() < cluster.children().size()) {
            for (Child child : cluster.children()) {
                if (!child.isAlive() && !reported.contains(child)) {
                    reported.add(child);
                    display.died(child, TAIL_LINES);
                }
            }
            Thread.sleep(POLL_PERIOD_MS);
        }
        display.line("failed", "all processes have ended");
        return Exit.FAILED;
    }
}
