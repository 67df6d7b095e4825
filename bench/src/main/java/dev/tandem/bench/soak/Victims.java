package dev.tandem.bench.soak;

import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** The processes of a cluster, to be killed and started again one at a time. Thread-safe by its own lock. */
final class Victims implements AutoCloseable {
    static final Duration START_LIMIT = Duration.ofMinutes(3);

    /** Blocks that were lent to a killed node come free within this time. */
    static final Duration LEASE = Duration.ofSeconds(30);

    private static final Map<String, String> ENVIRONMENT =
            Map.of("VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT", Long.toString(LEASE.toSeconds()));

    private final JavaRuntime runtime;
    private final Path folder;
    private final Map<String, Child> running = new TreeMap<>(); // guarded by this

    private Victims(JavaRuntime runtime, Path folder) {
        this.runtime = runtime;
        this.folder = folder;
    }

    /** Starts all; returns when they are ready. */
    static Victims start(LaunchPlan plan, JavaRuntime runtime, Path folder) throws IOException, InterruptedException {
        var victims = new Victims(runtime, folder);
        try {
            for (ProcessPlan process : plan.processes()) {
                victims.start(process);
            }
            victims.awaitReady();
            return victims;
        } catch (IOException | RuntimeException e) {
            victims.close();
            throw e;
        }
    }

    List<String> names() {
        synchronized (this) {
            return List.copyOf(running.keySet());
        }
    }

    /** kill -9. */
    void kill(String name) throws InterruptedException {
        Child child = child(name);
        ProcessHandle.of(child.pid()).ifPresent(ProcessHandle::destroyForcibly);
        long endNs = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (child.isAlive()) {
            if (System.nanoTime() > endNs) {
                throw new IllegalStateException(name + " survives kill -9");
            }
            Thread.sleep(10);
        }
    }

    /** Starts one again that has ended; it may not be ready yet. */
    void restart(String name) throws IOException {
        start(child(name).plan());
    }

    /** Waits until all have said that they are ready. */
    void awaitReady() throws InterruptedException {
        long endNs = System.nanoTime() + START_LIMIT.toNanos();
        for (String name : names()) {
            while (child(name).report().isEmpty()) {
                if (!child(name).isAlive() || System.nanoTime() > endNs) {
                    throw new IllegalStateException(name + " is not ready:\n"
                            + String.join("\n", child(name).logTail(40)));
                }
                Thread.sleep(50);
            }
        }
    }

    /** The last lines of a process's log. */
    List<String> logTail(String name, int lines) {
        return child(name).logTail(lines);
    }

    private void start(ProcessPlan process) throws IOException {
        Child child = Child.start(process, runtime, folder, ENVIRONMENT);
        synchronized (this) {
            running.put(process.name(), child);
        }
    }

    private Child child(String name) {
        synchronized (this) {
            return Objects.requireNonNull(running.get(name), name);
        }
    }

    @Override
    public void close() {
        List<Child> children;
        synchronized (this) {
            children = List.copyOf(running.values());
        }
        children.forEach(Child::askToStop);
        children.forEach(child -> child.awaitStop(Duration.ofSeconds(10).toNanos()));
    }
}
