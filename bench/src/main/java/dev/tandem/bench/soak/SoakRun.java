package dev.tandem.bench.soak;

import dev.tandem.bench.soak.Asker.Answer;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.verify.GatewayHealth;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** One soak, from the first process to the last check. Used once. */
public final class SoakRun {
    private static final int QUESTIONS = 16;
    private static final Duration HEAL_LIMIT = Duration.ofSeconds(90);
    private static final Duration BLOCKS_LIMIT = Victims.LEASE.plusSeconds(10);
    private static final Endpoint QUIET = new Endpoint("127.0.0.99", 8199);

    private final SoakPlan plan;
    private final JavaRuntime runtime;
    private final Path folder;
    private final Consumer<String> progress;
    private final EnumMap<Outcome, Integer> outcomes = new EnumMap<>(Outcome.class); // guarded by this, as all below
    private final Map<String, Integer> kills = new TreeMap<>();
    private final List<String> faults = new ArrayList<>();

    /** @param folder for logs */
    public SoakRun(SoakPlan plan, JavaRuntime runtime, Path folder, Consumer<String> progress) {
        this.plan = plan;
        this.runtime = runtime;
        this.folder = folder;
        this.progress = progress;
    }

    /** Runs it. */
    public SoakReport run() throws IOException, InterruptedException {
        List<Question> questions =
                Question.random(plan.load().model(), QUESTIONS, plan.load().maxTokens(), plan.seed());
        List<List<Integer>> expected = quietAnswers(questions);
        progress.accept("the quiet node has answered " + questions.size() + " questions");
        try (Victims victims = Victims.start(plan.cluster(), runtime, folder);
                var asker = new Asker(gateway().toString())) {
            awaitWell(asker, questions.getFirst(), expected.getFirst());
            progress.accept("the cluster answers; " + victims.names());
            var done = new AtomicInteger();
            Thread killer = Thread.ofPlatform().name("killer").start(() -> kill(victims, done));
            ask(asker, questions, expected, done);
            killer.join();
            victims.awaitReady();
            awaitWell(asker, questions.getFirst(), expected.getFirst());
            checkAll(asker, questions, expected);
            checkBlocks();
        }
        synchronized (this) {
            return SoakReport.of(outcomes, kills, faults);
        }
    }

    private Endpoint gateway() {
        return plan.cluster().processes().getFirst().http();
    }

    private List<List<Integer>> quietAnswers(List<Question> questions) throws IOException, InterruptedException {
        var arguments = new ArrayList<>(plan.quiet());
        arguments.addAll(List.of("--host", QUIET.host(), "--port", Integer.toString(QUIET.port())));
        var process = new ProcessPlan("quiet", "aggregated", QUIET, arguments, Map.of());
        Child child = Child.start(process, runtime, folder, Map.of());
        try (var asker = new Asker(QUIET.toString())) {
            long endNs = System.nanoTime() + Victims.START_LIMIT.toNanos();
            while (child.report().isEmpty()) {
                if (!child.isAlive() || System.nanoTime() > endNs) {
                    throw new IllegalStateException(String.join("\n", child.logTail(40)));
                }
                Thread.sleep(50);
            }
            var answers = new ArrayList<List<Integer>>();
            for (Question question : questions) {
                answers.add(asker.tokens(question));
            }
            return answers;
        } finally {
            child.askToStop();
            child.awaitStop(Duration.ofSeconds(10).toNanos());
        }
    }

    private void ask(Asker asker, List<Question> questions, List<List<Integer>> expected, AtomicInteger done)
            throws InterruptedException {
        var next = new AtomicInteger();
        var ends = new ArrayList<Future<Void>>();
        try (var askers = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < plan.load().atOnce(); i++) {
                ends.add(askers.submit(() -> {
                    for (int request = next.getAndIncrement();
                            request < plan.load().requests();
                            request = next.getAndIncrement()) {
                        int which = request % questions.size();
                        count(request, asker.ask(questions.get(which), expected.get(which), request % 2 == 1));
                        done.incrementAndGet();
                    }
                    return null;
                }));
            }
        }
        for (Future<Void> end : ends) {
            if (end.state() == Future.State.FAILED) {
                throw new IllegalStateException("a client died", end.exceptionNow());
            }
        }
    }

    private void count(int request, Answer answer) throws InterruptedException {
        synchronized (this) {
            outcomes.merge(answer.outcome(), 1, Integer::sum);
            if (answer.outcome() == Outcome.WRONG) {
                faults.add("request " + request + ": " + answer.detail());
            }
        }
        if (answer.outcome() != Outcome.EQUAL) {
            progress.accept("request " + request + ": " + answer.outcome() + " " + answer.detail());
            awaitBack();
        }
    }

    /** A client that got an error comes back when the gateway sees nodes of both kinds again. */
    private void awaitBack() throws InterruptedException {
        var health = new GatewayHealth(gateway());
        long endNs = System.nanoTime() + HEAL_LIMIT.toNanos();
        while (health.missing(1, 1).isPresent() && System.nanoTime() < endNs) {
            Thread.sleep(200);
        }
    }

    /** Kills one process after the other until all requests are done. */
    private void kill(Victims victims, AtomicInteger done) {
        var random = new SplittableRandom(plan.seed());
        var names = new ArrayDeque<>(shuffled(victims.names(), random));
        try {
            while (done.get() < plan.load().requests()) {
                Thread.sleep(plan.killEvery().toMillis() / 2
                        + random.nextLong(plan.killEvery().toMillis()));
                if (done.get() >= plan.load().requests()) {
                    return;
                }
                String name = names.poll();
                names.add(name);
                progress.accept("kill -9 " + name);
                victims.kill(name);
                synchronized (this) {
                    kills.merge(name, 1, Integer::sum);
                }
                Thread.sleep(random.nextLong(1000));
                victims.restart(name);
                victims.awaitReady();
            }
        } catch (IOException | IllegalStateException e) {
            synchronized (this) {
                faults.add("a killed process did not come back: " + e.getMessage());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Each process has its turn. */
    private static List<String> shuffled(List<String> names, SplittableRandom random) {
        var left = new ArrayList<>(names);
        var order = new ArrayList<String>();
        while (!left.isEmpty()) {
            order.add(left.remove(random.nextInt(left.size())));
        }
        return order;
    }

    private void awaitWell(Asker asker, Question question, List<Integer> expected) throws InterruptedException {
        long endNs = System.nanoTime() + HEAL_LIMIT.toNanos();
        Answer answer = asker.ask(question, expected, false);
        while (answer.outcome() != Outcome.EQUAL) {
            if (System.nanoTime() > endNs) {
                throw new IllegalStateException(
                        "the cluster does not serve within " + HEAL_LIMIT.toSeconds() + " s: " + answer.detail());
            }
            Thread.sleep(200);
            answer = asker.ask(question, expected, false);
        }
    }

    /** Without kills, every answer is right. */
    private void checkAll(Asker asker, List<Question> questions, List<List<Integer>> expected)
            throws InterruptedException {
        for (int i = 0; i < questions.size(); i++) {
            Answer answer = asker.ask(questions.get(i), expected.get(i), i % 2 == 0);
            if (answer.outcome() != Outcome.EQUAL) {
                synchronized (this) {
                    faults.add("after the kills, question " + i + ": " + answer.outcome() + " " + answer.detail());
                }
            }
        }
    }

    /** Every block of every node comes free again, within the victims' lease. */
    private void checkBlocks() throws InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            for (ProcessPlan process : plan.cluster().processes()) {
                if (process.arguments().getFirst().equals("serve")
                        && !process.arguments().contains("--headless")) {
                    checkBlocks(http, process);
                }
            }
        }
    }

    private void checkBlocks(HttpClient http, ProcessPlan process) throws InterruptedException {
        long endNs = System.nanoTime() + BLOCKS_LIMIT.toNanos();
        String missing = missingBlocks(http, process);
        while (!missing.isEmpty() && System.nanoTime() < endNs) {
            Thread.sleep(500);
            missing = missingBlocks(http, process);
        }
        if (!missing.isEmpty()) {
            synchronized (this) {
                faults.add(process.name() + " has lost blocks: " + missing);
            }
        }
    }

    private static String missingBlocks(HttpClient http, ProcessPlan process) throws InterruptedException {
        try {
            String page = http.send(
                            HttpRequest.newBuilder(URI.create("http://" + process.http() + "/metrics"))
                                    .timeout(Duration.ofSeconds(10))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
            double total = sum(page, "tandem:kv_blocks");
            double free = sum(page, "tandem:kv_blocks_free");
            double disorder = sum(page, "tandem:integrity_failures_total");
            return total > 0 && total == free && disorder == 0
                    ? ""
                    : free + " of " + total + " free, " + disorder + " integrity failures";
        } catch (IOException e) {
            return "no metrics: " + e;
        }
    }

    private static double sum(String page, String name) {
        return page.lines()
                .filter(line -> line.startsWith(name + "{"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
