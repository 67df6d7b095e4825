package dev.tandem.ops.launch;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The running processes of one launch plan. Used by one thread; {@link #close} may also come from a shutdown hook. */
public final class Cluster implements AutoCloseable {
    private static final Duration STOP_TIMEOUT = Duration.ofSeconds(3);

    private final List<Child> children;

    private Cluster(List<Child> children) {
        this.children = List.copyOf(children);
    }

    /**
     * Starts all processes at once.
     *
     * @throws IOException when one cannot be started at all; the others are stopped then
     */
    public static Cluster start(LaunchPlan plan, JavaRuntime runtime, Path folder, Map<String, String> variables)
            throws IOException {
        var children = new ArrayList<Child>();
        try {
            for (ProcessPlan process : plan.processes()) {
                children.add(Child.start(process, runtime, folder, variables));
            }
        } catch (IOException e) {
            new Cluster(children).close();
            throw e;
        }
        return new Cluster(children);
    }

    public List<Child> children() {
        return children;
    }

    /** Whether every process has said that it is ready. */
    public boolean isReady() {
        return children.stream().allMatch(child -> child.report().isPresent());
    }

    /** A process that has ended. */
    public Optional<Child> dead() {
        return children.stream().filter(child -> !child.isAlive()).findFirst();
    }

    /** Stops all processes within 5 seconds; those that do not end by themselves are killed. */
    @Override
    public void close() {
        children.forEach(Child::askToStop);
        long deadlineNs = System.nanoTime() + STOP_TIMEOUT.toNanos();
        for (Child child : children) {
            child.awaitStop(deadlineNs - System.nanoTime());
        }
    }
}
