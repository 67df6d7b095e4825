package dev.tandem.bench.soak;

import dev.tandem.bench.soak.Asker.Answer;
import dev.tandem.bench.soak.Fault.Kind;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.verify.GatewayHealth;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/** One soak, from the first process to the last check. Used once. */
public final class SoakRun {
    private static final int MOST_QUESTIONS = 64;
    private static final double LEAVING = 0.1; // share of the clients that do not wait
    private static final int LONGEST_STAY_MS = 2_000;
    private static final Duration HEAL_LIMIT = Duration.ofSeconds(90);
    private static final Endpoint QUIET = new Endpoint("127.0.0.99", 8199);

    private final SoakPlan plan;
    private final JavaRuntime runtime;
    private final Path folder;
    private final Consumer<String> progress;
    private final long startNs = System.nanoTime();
    private final Map<Outcome, Integer> outcomes = new EnumMap<>(Outcome.class); // guarded by this, as all below
    private final Map<String, Integer> inflicted = new TreeMap<>();
    private final List<String> problems = new ArrayList<>();
    private Duration slowest = Duration.ZERO;

    /** One client at a time asks whether the gateway is back. */
    private final ReentrantLock asksForHealth = new ReentrantLock();

    /** @param folder for logs */
    public SoakRun(SoakPlan plan, JavaRuntime runtime, Path folder, Consumer<String> progress) {
        this.plan = plan;
        this.runtime = runtime;
        this.folder = folder;
        this.progress = progress;
    }

    /** What is asked, and the tokens that are right. */
    private record Asked(Question question, List<Integer> expected) {}

    /** Runs it. */
    public SoakReport run() throws IOException, InterruptedException {
        int count = Math.min(MOST_QUESTIONS, 1 + plan.load().requests() / 2);
        List<Asked> questions = quietAnswers(
                Question.random(plan.load().model(), count, plan.load().maxTokens(), plan.seed()));
        tell("the quiet node has answered " + questions.size() + " questions");
        List<Kind> kinds = kinds();
        try (Victims victims = Victims.start(plan.cluster(), runtime, folder);
                var asker = new Asker(gateway().toString(), plan.load().deadline())) {
            awaitWell(asker, questions.getFirst());
            tell("the cluster answers; " + victims.names());
            var done = new AtomicInteger();
            List<Thread> troublemakers = new ArrayList<>();
            for (int i = 0; i < plan.faultsAtOnce(); i++) {
                var random = new SplittableRandom(plan.seed() + i);
                troublemakers.add(Thread.ofPlatform()
                        .name("troublemaker-" + i)
                        .start(() -> makeTrouble(victims, kinds, random, done)));
            }
            ask(asker, victims, questions, done);
            for (Thread troublemaker : troublemakers) {
                troublemaker.join();
            }
            victims.awaitReady();
            awaitWell(asker, questions.getFirst());
            checkAll(asker, questions);
            new AtRest(plan.cluster()).problems().forEach(this::problem);
            victims.complaints().forEach(this::problem);
        }
        synchronized (this) {
            return SoakReport.of(outcomes, inflicted, slowest, problems);
        }
    }

    private void tell(String line) {
        progress.accept(String.format("%7.1f %s", (System.nanoTime() - startNs) / 1e9, line));
    }

    private synchronized void problem(String sentence) {
        problems.add(sentence);
    }

    private List<Kind> kinds() throws IOException, InterruptedException {
        var kinds = new ArrayList<>(plan.faults());
        if (kinds.contains(Kind.RESET) && !Victims.canReset()) {
            kinds.remove(Kind.RESET);
            tell("not run here: RESET (ss -K needs root and a kernel with INET_DIAG_DESTROY)");
        }
        return kinds;
    }

    private Endpoint gateway() {
        return plan.cluster().processes().getFirst().http();
    }

    private List<Asked> quietAnswers(List<Question> questions) throws IOException, InterruptedException {
        var arguments = new ArrayList<>(plan.quiet());
        arguments.addAll(List.of("--host", QUIET.host(), "--port", Integer.toString(QUIET.port())));
        var process = new ProcessPlan("quiet", "aggregated", QUIET, arguments, Map.of());
        Child child = Child.start(process, runtime, folder, Map.of());
        try (var asker = new Asker(QUIET.toString(), plan.load().deadline())) {
            long endNs = System.nanoTime() + Victims.START_LIMIT.toNanos();
            while (child.report().isEmpty()) {
                if (!child.isAlive() || System.nanoTime() > endNs) {
                    throw new IllegalStateException(String.join("\n", child.logTail(40)));
                }
                Thread.sleep(50);
            }
            var answers = new ArrayList<Asked>();
            for (Question question : questions) {
                answers.add(new Asked(question, asker.tokens(question)));
            }
            return answers;
        } finally {
            child.askToStop();
            child.awaitStop(Duration.ofSeconds(10).toNanos());
        }
    }

    private void ask(Asker asker, Victims victims, List<Asked> questions, AtomicInteger done)
            throws InterruptedException {
        var next = new AtomicInteger();
        var ends = new ArrayList<Future<Void>>();
        try (var askers = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < plan.load().atOnce(); i++) {
                ends.add(askers.submit(() -> {
                    for (int request = next.getAndIncrement();
                            request < plan.load().requests();
                            request = next.getAndIncrement()) {
                        ask(asker, victims, questions, request);
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

    private void ask(Asker asker, Victims victims, List<Asked> questions, int request) throws InterruptedException {
        var random = new SplittableRandom(plan.seed() * plan.load().requests() + request);
        Asked asked = questions.get(random.nextInt(questions.size()));
        boolean isStream = random.nextBoolean();
        Optional<Duration> leavesAfter = random.nextDouble() < LEAVING
                ? Optional.of(Duration.ofMillis(random.nextInt(LONGEST_STAY_MS)))
                : Optional.empty();
        long beginNs = System.nanoTime();
        Answer answer = asker.ask(asked.question(), asked.expected(), isStream, leavesAfter);
        long endNs = System.nanoTime();
        Outcome outcome = answer.outcome();
        if (outcome == Outcome.BROKEN && victims.mayHaveBroken("gateway", beginNs, endNs)) {
            outcome = Outcome.GATEWAY_GONE;
        }
        Duration took = Duration.ofNanos(endNs - beginNs);
        count(outcome, took);
        if (!outcome.mayHappen()) {
            problem(String.format(
                    "request %d after %d ms at %.1f s: %s %s",
                    request, took.toMillis(), (endNs - startNs) / 1e9, outcome, answer.detail()));
        }
        if (outcome != Outcome.EQUAL && outcome != Outcome.LEFT) {
            tell("request " + request + " after " + took.toMillis() + " ms: " + outcome + " " + answer.detail());
            awaitBack();
        }
    }

    private synchronized void count(Outcome outcome, Duration took) {
        outcomes.merge(outcome, 1, Integer::sum);
        int all = outcomes.values().stream().mapToInt(Integer::intValue).sum();
        if (outcome != Outcome.LEFT && took.compareTo(slowest) > 0) {
            slowest = took;
        }
        if (all % 500 == 0) {
            tell(all + " requests: " + outcomes);
        }
    }

    /** A client that got an error comes back when the gateway sees nodes of both kinds again. */
    private void awaitBack() throws InterruptedException {
        var health = new GatewayHealth(gateway());
        long endNs = System.nanoTime() + HEAL_LIMIT.toNanos();
        boolean isBack = false;
        while (!isBack && System.nanoTime() < endNs) {
            asksForHealth.lockInterruptibly();
            try {
                isBack = health.missing(1, 1).isEmpty();
                Thread.sleep(isBack ? 20 : 200);
            } finally {
                asksForHealth.unlock();
            }
        }
    }

    /** Does one fault after the other until all requests are done. */
    private void makeTrouble(Victims victims, List<Kind> kinds, SplittableRandom random, AtomicInteger done) {
        List<String> names = victims.names();
        try {
            while (done.get() < plan.load().requests()) {
                Fault fault = Fault.draw(random, names, kinds, plan.faultEvery());
                Thread.sleep(fault.afterPause());
                if (done.get() < plan.load().requests() && victims.take(fault.victim())) {
                    tell(fault.toString());
                    synchronized (this) {
                        inflicted.merge(fault.kind() + " " + fault.victim(), 1, Integer::sum);
                    }
                    victims.suffer(fault);
                }
            }
        } catch (IOException | RuntimeException e) {
            problem("a process did not come back: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void awaitWell(Asker asker, Asked asked) throws InterruptedException {
        long endNs = System.nanoTime() + HEAL_LIMIT.toNanos();
        Answer answer = asker.ask(asked.question(), asked.expected(), false, Optional.empty());
        while (answer.outcome() != Outcome.EQUAL) {
            if (System.nanoTime() > endNs) {
                throw new IllegalStateException(
                        "the cluster does not serve within " + HEAL_LIMIT.toSeconds() + " s: " + answer.detail());
            }
            Thread.sleep(200);
            answer = asker.ask(asked.question(), asked.expected(), false, Optional.empty());
        }
    }

    /** Without faults, every answer is right. */
    private void checkAll(Asker asker, List<Asked> questions) throws InterruptedException {
        for (int i = 0; i < questions.size(); i++) {
            Asked asked = questions.get(i);
            Answer answer = asker.ask(asked.question(), asked.expected(), i % 2 == 0, Optional.empty());
            if (answer.outcome() != Outcome.EQUAL) {
                problem("after the faults, question " + i + ": " + answer.outcome() + " " + answer.detail());
            }
        }
    }
}
