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
    /** What a process may take beyond the time for which a gateway drains; a node lets its requests go on for half of it. */
    private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

    private final List<Child> children;
    private final Duration drainTimeout;

    private Cluster(List<Child> children, Duration drainTimeout) {
        this.children = List.copyOf(children);
        this.drainTimeout = drainTimeout;
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
            new Cluster(children, Duration.ZERO).close();
            throw e;
        }
        return new Cluster(children, plan.drainTimeout());
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

    /**
     * Stops the gateway, whose last answers need their nodes, then the nodes. Those that do not end by themselves in the time that they
     * may take are killed.
     */
    @Override
    public void close() {
        stop(true, drainTimeout.plus(STOP_TIMEOUT));
        stop(false, STOP_TIMEOUT);
    }

    private void stop(boolean isGateway, Duration limit) {
        List<Child> some = children.stream()
                .filter(child -> child.plan().isGateway() == isGateway)
                .toList();
        some.forEach(Child::askToStop);
        long deadlineNs = System.nanoTime() + limit.toNanos();
        for (Child child : some) {
            child.awaitStop(deadlineNs - System.nanoTime());
        }
    }
}
