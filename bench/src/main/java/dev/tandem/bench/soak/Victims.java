package dev.tandem.bench.soak;

import dev.tandem.bench.soak.Fault.Kind;
import dev.tandem.ops.launch.Child;
import dev.tandem.ops.launch.JavaRuntime;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The processes of a cluster, and what is done to them; one fault at a time for each. Thread-safe by its own lock. */
final class Victims implements AutoCloseable {
    static final Duration START_LIMIT = Duration.ofMinutes(5);

    /** Blocks that were lent to a killed node come free within this time. */
    static final Duration LEASE = Duration.ofSeconds(30);

    private static final Duration END_LIMIT = Duration.ofSeconds(90);
    private static final Map<String, String> ENVIRONMENT =
            Map.of("VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT", Long.toString(LEASE.toSeconds()));

    private final JavaRuntime runtime;
    private final Path folder;
    private final Map<String, Child> running = new TreeMap<>(); // guarded by this, as all below
    private final Set<String> busy = new HashSet<>();
    private final List<Trouble> troubles = new ArrayList<>();
    private int started;

    /** A time in which connections of a process may break; without an end yet while {@code endNs} is 0. */
    private record Trouble(String name, long beginNs, long endNs) {
        boolean touches(long fromNs, long toNs) {
            return beginNs - toNs <= 0 && (endNs == 0 || endNs - fromNs >= 0);
        }
    }

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

    /** Whether this host resets connections for us: {@code ss -K}, which needs root and a kernel that has it. */
    static boolean canReset() throws IOException, InterruptedException {
        try (var listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                var socket = new Socket(listener.getInetAddress(), listener.getLocalPort());
                var accepted = listener.accept()) {
            socket.setSoTimeout(1_000);
            run("ss", "-K", "dst", "127.0.0.1", "dport", "=", Integer.toString(listener.getLocalPort()));
            accepted.getOutputStream().write(1);
            return socket.getInputStream().read() != 1;
        } catch (SocketException e) {
            return true;
        }
    }

    synchronized List<String> names() {
        return List.copyOf(running.keySet());
    }

    /** Takes a process for a fault; false while another one is done to it. */
    synchronized boolean take(String name) {
        return busy.add(name);
    }

    /** Does a fault to a process that was taken and undoes it; returns when the process serves again. */
    void suffer(Fault fault) throws IOException, InterruptedException {
        String name = fault.victim();
        long beginNs = System.nanoTime();
        boolean breaksConnections = fault.kind() != Kind.PAUSE && fault.kind() != Kind.HANG;
        var trouble = new Trouble(name, beginNs, 0);
        if (breaksConnections) {
            note(trouble);
        }
        try {
            switch (fault.kind()) {
                case KILL -> {
                    ProcessHandle.of(child(name).pid()).ifPresent(ProcessHandle::destroyForcibly);
                    restart(name, fault.lasts());
                }
                case END -> {
                    ProcessHandle.of(child(name).pid()).ifPresent(ProcessHandle::destroy);
                    restart(name, fault.lasts());
                }
                case PAUSE, HANG -> {
                    signal(name, "-STOP");
                    try {
                        Thread.sleep(fault.lasts());
                    } finally {
                        signal(name, "-CONT");
                    }
                }
                case RESET -> {
                    String host = child(name).plan().http().host();
                    run("ss", "-t", "-K", "(", "src", host, "or", "dst", host, ")");
                }
            }
        } finally {
            synchronized (this) {
                busy.remove(name);
                if (troubles.remove(trouble)) {
                    note(new Trouble(name, beginNs, System.nanoTime()));
                }
            }
        }
    }

    private synchronized void note(Trouble trouble) {
        troubles.add(trouble);
    }

    /** Whether something was done to a process between two times that breaks its connections. */
    synchronized boolean mayHaveBroken(String name, long fromNs, long toNs) {
        return troubles.stream().anyMatch(trouble -> trouble.name().equals(name) && trouble.touches(fromNs, toNs));
    }

    private void restart(String name, Duration after) throws IOException, InterruptedException {
        Child child = child(name);
        long endNs = System.nanoTime() + END_LIMIT.toNanos();
        while (child.isAlive()) {
            if (System.nanoTime() > endNs) {
                throw new IllegalStateException(name + " does not end");
            }
            Thread.sleep(10);
        }
        Thread.sleep(after);
        start(child.plan());
        awaitReady(name);
    }

    private void signal(String name, String signal) throws IOException, InterruptedException {
        run("kill", signal, Long.toString(child(name).pid()));
    }

    private static void run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        if (!process.waitFor(20, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IllegalStateException(Arrays.toString(command) + " does not end");
        }
        if (process.exitValue() != 0) {
            throw new IllegalStateException(Arrays.toString(command) + " ended with " + process.exitValue());
        }
    }

    /** Waits until all have said that they are ready. */
    void awaitReady() throws InterruptedException {
        for (String name : names()) {
            awaitReady(name);
        }
    }

    private void awaitReady(String name) throws InterruptedException {
        long endNs = System.nanoTime() + START_LIMIT.toNanos();
        while (child(name).report().isEmpty()) {
            if (!child(name).isAlive() || System.nanoTime() > endNs) {
                throw new IllegalStateException(name + " is not ready:\n"
                        + String.join("\n", child(name).logTail(40)));
            }
            Thread.sleep(50);
        }
    }

    /** Lines of all logs, also of processes that have ended, that tell a mistake of ours. */
    List<String> complaints() throws IOException {
        var complaints = new ArrayList<String>();
        try (Stream<Path> logs = Files.list(folder)) {
            for (Path log :
                    logs.filter(file -> file.toString().contains(".log")).toList()) {
                new String(Files.readAllBytes(log), StandardCharsets.UTF_8)
                        .lines()
                        .filter(line -> line.contains(" ERROR ") || line.contains("IllegalStateException"))
                        .forEach(line -> complaints.add(log.getFileName() + ": " + line));
            }
        }
        return complaints;
    }

    private void start(ProcessPlan process) throws IOException {
        Path log = folder.resolve(process.name() + ".log");
        int number;
        synchronized (this) {
            number = started++;
        }
        if (Files.exists(log)) {
            Files.move(log, folder.resolve(process.name() + ".log." + number), StandardCopyOption.REPLACE_EXISTING);
        }
        Child child = Child.start(process, runtime, folder, ENVIRONMENT);
        synchronized (this) {
            running.put(process.name(), child);
        }
    }

    private synchronized Child child(String name) {
        return Objects.requireNonNull(running.get(name), name);
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
