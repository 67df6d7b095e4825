package dev.tandem.systemtest.process;

import dev.tandem.api.Loopback;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A real process of this project under test: an address of its own, a ready file, a captured log that is shown when it fails, and an end together
 * with this JVM, whose pipe it watches.
 */
public final class TandemProcess implements Server, AutoCloseable {
    public static final Path ROOT = ChildRuntime.ROOT;

    /** Where a process under test has its HTTP; below the ports that systems hand out, on an address of its own. */
    public static final int HTTP_PORT = 18_431;

    /** The side channel of a node's first rank; its other ranks have the ports after it. */
    public static final int KV_PORT = 18_500;

    /** The data-parallel head's port for its other nodes. */
    public static final int RPC_PORT = 18_700;

    /** A port that nobody listens on at any process's address. */
    public static final int UNUSED_PORT = 18_999;

    private static final Duration START_LIMIT = Duration.ofSeconds(300);
    private static final AtomicInteger STARTED = new AtomicInteger();

    private final Child child;
    private final Endpoint http;

    private TandemProcess(Child child, Endpoint http) {
        this.child = child;
        this.http = http;
    }

    /** Starts a node or gateway on an address of its own; returns at once. */
    public static TandemProcess start(String role, List<String> arguments) {
        return startAt(role, Loopback.next(), HTTP_PORT, arguments);
    }

    /** The same on a given address and port. */
    public static TandemProcess startAt(String role, String host, int port, List<String> arguments) {
        var all = new ArrayList<>(arguments);
        all.addAll(List.of("--host", host, "--port", Integer.toString(port)));
        var http = new Endpoint(host, port);
        var plan = new ProcessPlan(role + "-" + STARTED.incrementAndGet(), role, http, all);
        try {
            return new TandemProcess(
                    Child.start(plan, ChildRuntime.of(arguments), ChildRuntime.FOLDER, Map.of()), http);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How commands under test start nodes. */
    public static JavaRuntime runtime() {
        return ChildRuntime.NODE;
    }

    /** The command line of {@code tandem} with these arguments. */
    public static List<String> command(List<String> arguments) {
        return ChildRuntime.of(arguments).command(arguments);
    }

    /** Waits until it is ready; an early death fails with its log. */
    public TandemProcess awaitReady() {
        Await.until(
                START_LIMIT,
                () -> {
                    if (!child.isAlive()) {
                        throw new AssertionError(
                                child.plan().name() + " ended with " + child.exitStatus() + ":\n" + log());
                    }
                    return child.report().isPresent();
                },
                () -> child.plan().name() + " is not ready:\n" + log());
        return this;
    }

    /** Waits until it has ended and returns its status. */
    public int awaitEnd(Duration limit) {
        Await.until(limit, () -> !child.isAlive(), () -> child.plan().name() + " has not ended:\n" + log());
        return child.exitStatus();
    }

    public String log() {
        return String.join("\n", child.logTail(60));
    }

    @Override
    public Endpoint http() {
        return http;
    }

    public boolean isAlive() {
        return child.isAlive();
    }

    public long pid() {
        return child.pid();
    }

    /** kill -9. */
    public void kill() {
        ProcessHandle.of(child.pid()).ifPresent(ProcessHandle::destroyForcibly);
        awaitEnd(Duration.ofSeconds(20));
    }

    @Override
    public void close() {
        child.askToStop();
        child.awaitStop(Duration.ofSeconds(10).toNanos());
    }
}
