package dev.tandem.systemtest.process;

import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A real process of this project under test: free ports, a ready file, a captured log that is shown when it fails, and an end together
 * with this JVM, whose pipe it watches.
 */
public final class TandemProcess implements AutoCloseable {
    public static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final Duration START_LIMIT = Duration.ofSeconds(300);
    private static final AtomicInteger STARTED = new AtomicInteger();

    private final Child child;
    private final Endpoint http;

    private TandemProcess(Child child, Endpoint http) {
        this.child = child;
        this.http = http;
    }

    /** Starts a node or gateway on a free port of {@code host}; returns at once. */
    public static TandemProcess start(String role, String host, List<String> words) {
        return start(role, host, words, Map.of());
    }

    /** The same with environment variables. */
    public static TandemProcess start(String role, String host, List<String> words, Map<String, String> variables) {
        return startAt(role, host, freePort(host), words, variables);
    }

    /** The same on a given port. */
    public static TandemProcess startAt(
            String role, String host, int port, List<String> words, Map<String, String> variables) {
        var all = new ArrayList<>(words);
        all.addAll(List.of("--host", host, "--port", Integer.toString(port)));
        var http = new Endpoint(host, port);
        var plan = new ProcessPlan(role + "-" + STARTED.incrementAndGet(), role, http, all);
        var runtime = new JavaRuntime(
                Path.of(System.getProperty("java.home"), "bin", "java"),
                ROOT.resolve("jvm.options"),
                System.getProperty("java.class.path"));
        try {
            Path folder = Files.createDirectories(ROOT.resolve("systemtest/target/processes"));
            Files.deleteIfExists(folder.resolve(plan.name() + ".ready"));
            return new TandemProcess(Child.start(plan, runtime, folder, variables), http);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A port that was free a moment ago. */
    public static int freePort(String host) {
        try (var socket = new ServerSocket(0, 1, InetAddress.getByName(host))) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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

    public URI uri(String path) {
        return URI.create("http://" + http + path);
    }

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
