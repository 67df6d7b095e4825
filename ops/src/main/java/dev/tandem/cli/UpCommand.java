package dev.tandem.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.api.access.TlsFiles;
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
import dev.tandem.ops.verify.Credentials;
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
import dev.tandem.trust.BoundedFile;
import java.io.Console;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem up [TOPOLOGY]}: starts a whole cluster, verifies it with one request, stays in the foreground. */
final class UpCommand implements Verb {
    private static final Duration START_LIMIT = Duration.ofMinutes(5);
    private static final Duration STOP_LIMIT = Duration.ofMinutes(1);
    private static final Duration VERIFY_LIMIT = Duration.ofMinutes(5);
    private static final long POLL_PERIOD_MS = 100;
    private static final int TAIL_LINES = 15;
    private static final int MAX_KEY_FILE_BYTES = 64 << 10;
    /** What OpenAI's own clients read. */
    private static final String CLIENT_KEY = "OPENAI_API_KEY";

    private static final String DEFAULT_TOPOLOGY = "topologies/local-1p1d.yaml";

    @Override
    public String summary() {
        return "start gateway, prefill and decode nodes, verify them, stay in the foreground";
    }

    private Grammar grammar() {
        return new Grammar("up", summary())
                .argument(
                        "TOPOLOGY", false, Path.class, Path::of, "a topology file (default: " + DEFAULT_TOPOLOGY + ")")
                .option("--model", "CHECKPOINT", Path.class, Path::of, "serve another checkpoint than the file names")
                .text("--served-model-name", "NAME", "the name that requests use (default: the checkpoint's)")
                .text(
                        "--api-key",
                        "KEY",
                        "shown to the gateway, which may know keys by their hashes only (default: " + CLIENT_KEY
                                + ", else the topology's)")
                .flag("--print", "start nothing; show the script of each node, the proxy's and the question")
                .flag("--json", "one JSON object per line instead of text")
                .flag("--once", "stop after the verification; its status is the exit status")
                .process();
    }

    @Override
    public CommandSpec spec() {
        return grammar().spec();
    }

    @Override
    public int run(List<String> arguments) throws IOException, InterruptedException {
        VerbArguments read = grammar().read(arguments);
        if (read.isHelpAsked()) {
            System.out.print(grammar().help());
            return Exit.WELL;
        }
        read.refuseProblems();
        var parent = new ParentProcess(Grammar.process(read));
        parent.watch(STOP_LIMIT);
        ((Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME)).setLevel(Level.WARN);
        Path home =
                Path.of(System.getProperty("tandem.home", ".")).toAbsolutePath().normalize();
        Topology topology = topology(read, home);
        LaunchPlan plan = LaunchPlan.of(topology);
        if (read.has("--print")) {
            System.out.print(LaunchScript.of(topology, plan));
            return Exit.WELL;
        }
        Optional<String> key = read.value("--api-key", String.class)
                .or(() -> Optional.ofNullable(System.getenv(CLIENT_KEY)).filter(text -> !text.isBlank()));
        Credentials credentials = credentials(topology, key);
        Path folder = Files.createTempDirectory("tandem-up-");
        var display = UpDisplay.of(read.has("--json"), isTerminal());
        LaunchPlan tabled = withRankTable(topology, plan, folder, display);
        String name = read.argument(0, Path.class).map(Path::toString).orElse(DEFAULT_TOPOLOGY);
        List<Finding> findings = LaunchCheck.run(name, topology, tabled);
        display.checked(findings);
        if (findings.stream().anyMatch(Finding::isError)) {
            remove(folder);
            return Exit.FAILED;
        }
        Cluster cluster = Cluster.start(tabled, runtime(home), folder, Map.of());
        Exit.atEnd(() -> stop(cluster, display, folder));
        if (!awaitReady(cluster, topology, credentials, display)) {
            cluster.close();
            return Exit.FAILED;
        }
        display.table(cluster.children());
        boolean isWell = verify(cluster, topology, credentials, display);
        parent.tellReady(Map.of("gateway", topology.gateway().toString(), "verified", isWell));
        if (read.has("--once")) {
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
            Exit.say("the logs in " + folder + " could not be removed: " + e.getMessage());
        }
    }

    @SuppressWarnings("SystemConsoleNull") // null when the JDK is told to use its old console
    private static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    private static Topology topology(VerbArguments arguments, Path home) {
        Topology read = Topology.read(arguments.argument(0, Path.class).orElse(home.resolve(DEFAULT_TOPOLOGY)));
        Optional<Path> model = arguments.value("--model", Path.class);
        Optional<String> name = arguments.value("--served-model-name", String.class);
        return model.isEmpty()
                ? read.under(home, name.orElse(read.model().servedName()))
                : read.withModel(
                        model.get(), name.orElse(String.valueOf(model.get().getFileName())));
    }

    private static JavaRuntime runtime(Path home) {
        String java = ProcessHandle.current().info().command().orElse(System.getProperty("java.home") + "/bin/java");
        return new JavaRuntime(Path.of(java), home.resolve("jvm.options"), System.getProperty("java.class.path"));
    }

    private static boolean awaitReady(Cluster cluster, Topology topology, Credentials credentials, UpDisplay display)
            throws InterruptedException {
        var health = new GatewayHealth(gateway(topology), credentials);
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

    private static Target gateway(Topology topology) {
        return Target.parse((topology.isGatewaySecure() ? "https://" : "http://") + topology.gateway());
    }

    /**
     * What the gateway and the nodes are shown: their own keys, and the certificate that the gateway shows to nodes.
     *
     * @param given a client's key
     * @throws FlagException when the topology has hashes of the gateway's keys only, and none is given
     */
    static Credentials credentials(Topology topology, Optional<String> given) {
        Map<String, String> flags = topology.gatewayFlags();
        Optional<String> nodeKey = Optional.ofNullable(
                        topology.decode().getFirst().settings().flags().get("api-key"))
                .or(() -> Optional.ofNullable(flags.get("node-api-key")))
                .or(() -> Optional.ofNullable(flags.get("node-api-key-file")).map(UpCommand::keyIn));
        Optional<String> hashes = Optional.ofNullable(flags.get("api-key-file"));
        Optional<String> key = Optional.ofNullable(flags.get("api-key"))
                .or(() -> given)
                .or(() -> hashes.isPresent() ? Optional.empty() : nodeKey);
        if (hashes.isPresent() && key.isEmpty()) {
            throw new FlagException("the gateway's api-key-file " + hashes.get()
                    + " holds hashes of keys, and whether the cluster is ready and well is asked through the gateway: give"
                    + " one of the keys as --api-key or in " + CLIENT_KEY);
        }
        return new Credentials(
                key,
                nodeKey,
                new TlsFiles(
                        Optional.ofNullable(flags.get("node-ssl-keyfile")).map(Path::of),
                        Optional.ofNullable(flags.get("node-ssl-certfile")).map(Path::of),
                        Optional.ofNullable(flags.get("node-ssl-ca-certs")).map(Path::of)));
    }

    private static String keyIn(String file) {
        try {
            return BoundedFile.text(Path.of(file), MAX_KEY_FILE_BYTES, StandardCharsets.UTF_8)
                    .strip();
        } catch (IOException e) {
            throw new FlagException("the gateway's node-api-key-file " + file + " cannot be read: " + e.getMessage());
        }
    }

    /** Verifies the cluster; a process that dies meanwhile ends the wait. */
    private static boolean verify(Cluster cluster, Topology topology, Credentials credentials, UpDisplay display)
            throws InterruptedException {
        String model = topology.model().servedName();
        var verification = new Verification(
                gateway(topology),
                new Verification.Question(Optional.of(model), credentials, Verification.PROMPT),
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
