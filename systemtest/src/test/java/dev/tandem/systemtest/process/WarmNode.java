package dev.tandem.systemtest.process;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.json.JsonMapper;

/**
 * A node in a process that has served others before and will again, so that its classes are loaded and its kernels compiled. What a test
 * asks of the command itself, how it starts, what it prints and how it ends, needs a {@link TandemProcess}.
 */
public final class WarmNode implements Server, AutoCloseable {
    private static final long LIMIT_S = 300;
    private static final Deque<Host> IDLE = new ArrayDeque<>();

    private final Host host;
    private final Endpoint http;
    private boolean isAnswered; // its start
    private boolean isClosed;

    private WarmNode(Host host, Endpoint http) {
        this.host = host;
        this.http = http;
    }

    /**
     * Starts a node; returns at once.
     *
     * @param arguments {@code serve} and all behind it, with {@code --host} and {@code --port}
     * @param variables of the environment
     */
    public static WarmNode start(List<String> arguments, Map<String, String> variables) {
        Host host = IDLE.isEmpty() ? Host.start() : IDLE.pop();
        List<String> behindServe = arguments.subList(1, arguments.size());
        host.send(JsonMapper.shared().writeValueAsString(new WarmNodeMain.Request(behindServe, variables)));
        String address = arguments.get(arguments.indexOf("--host") + 1);
        int port = Integer.parseInt(arguments.get(arguments.indexOf("--port") + 1));
        return new WarmNode(host, new Endpoint(address, port));
    }

    /** The same on {@code address}, which is from {@link Loopback}. */
    public static WarmNode start(String address, List<String> arguments, Map<String, String> variables) {
        var all = new ArrayList<>(arguments);
        all.addAll(List.of("--host", address, "--port", Integer.toString(TandemProcess.HTTP_PORT)));
        return start(all, variables);
    }

    /** Waits until it is ready; fails with what it said instead. */
    public WarmNode awaitReady() {
        isAnswered = true;
        assertThat(host.answer()).as("%s", log()).isEqualTo(WarmNodeMain.READY);
        return this;
    }

    @Override
    public Endpoint http() {
        return http;
    }

    public long pid() {
        return host.process.pid();
    }

    public boolean isAlive() {
        return host.process.isAlive();
    }

    /** What its process has written, for other nodes too. */
    public String log() {
        try {
            return Files.readString(host.log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** kill -9. */
    public void kill() {
        host.process.destroyForcibly();
        host.process.onExit().orTimeout(LIMIT_S, TimeUnit.SECONDS).join();
    }

    /**
     * Stops the node and keeps its process for the next one; a process that does not stop its node is killed, and the test fails. Closed twice
     * is closed once.
     */
    @Override
    public void close() {
        if (isClosed || !isAlive()) {
            return;
        }
        isClosed = true;
        try {
            host.send(WarmNodeMain.STOP);
            if (!isAnswered) {
                host.answer(); // to its start: whether that went well, nobody has asked
            }
            assertThat(host.answer()).as("%s", log()).isEqualTo(WarmNodeMain.STOPPED);
        } catch (AssertionError | RuntimeException e) {
            kill();
            throw e;
        }
        IDLE.push(host);
    }

    /** A process of {@link WarmNodeMain}; it ends with this JVM, whose pipe it reads. */
    private record Host(Process process, BufferedWriter requests, BufferedReader answers, Path log) {
        private static int started;

        static Host start() {
            try {
                started++;
                Path log = ChildRuntime.FOLDER.resolve("warm-node-" + started + ".log");
                Process process = new ProcessBuilder(ChildRuntime.command(WarmNodeMain.class))
                        .redirectError(log.toFile())
                        .start();
                return new Host(process, process.outputWriter(), process.inputReader(), log);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        void send(String line) {
            try {
                requests.write(line);
                requests.newLine();
                requests.flush();
            } catch (IOException e) {
                throw new UncheckedIOException(log.toString(), e);
            }
        }

        String answer() {
            return CompletableFuture.supplyAsync(this::line)
                    .orTimeout(LIMIT_S, TimeUnit.SECONDS)
                    .join();
        }

        private String line() {
            try {
                String line = answers.readLine();
                if (line == null) {
                    throw new AssertionError("the process has ended:\n" + Files.readString(log));
                }
                return line;
            } catch (IOException e) {
                throw new UncheckedIOException(log.toString(), e);
            }
        }
    }
}
