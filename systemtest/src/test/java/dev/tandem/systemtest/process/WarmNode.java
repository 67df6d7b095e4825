package dev.tandem.systemtest.process;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.preflight.script.shell.ShellScript;
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
 * asks of the process itself, its log and its end, needs a {@link TandemProcess}.
 */
public final class WarmNode implements Server, AutoCloseable {
    private static final long LIMIT_S = 300;
    private static final Deque<Host> IDLE = new ArrayDeque<>();

    private final Host host;
    private final Endpoint http;

    private WarmNode(Endpoint http, List<String> arguments, Map<String, String> variables) {
        this.host = IDLE.isEmpty() ? Host.start() : IDLE.pop();
        this.http = http;
        host.send(JsonMapper.shared().writeValueAsString(new WarmNodeMain.Request(arguments, variables)));
    }

    /** Starts a node on an address of its own; returns at once. */
    public static WarmNode start(List<String> arguments) {
        return start(Loopback.next(), arguments, Map.of());
    }

    /** The same on {@code address}, which is from {@link Loopback}, with environment variables. */
    public static WarmNode start(String address, List<String> arguments, Map<String, String> variables) {
        var all = new ArrayList<>(arguments);
        all.addAll(List.of("--host", address, "--port", Integer.toString(TandemProcess.HTTP_PORT)));
        return new WarmNode(new Endpoint(address, TandemProcess.HTTP_PORT), all.subList(1, all.size()), variables);
    }

    /** Starts what a script's {@code tandem serve} would start. */
    public static WarmNode start(ShellScript script) {
        List<String> arguments = script.commands().stream()
                .map(command -> command.words())
                .filter(command -> command.getFirst().equals("tandem"))
                .findFirst()
                .orElseThrow();
        var http = new Endpoint(
                arguments.get(arguments.indexOf("--host") + 1),
                Integer.parseInt(arguments.get(arguments.indexOf("--port") + 1)));
        return new WarmNode(http, arguments.subList(2, arguments.size()), script.variables());
    }

    /** Waits until it is ready; fails with what it said instead. */
    public WarmNode awaitReady() {
        assertThat(host.answer()).as("%s", log()).isEqualTo(WarmNodeMain.READY);
        return this;
    }

    @Override
    public Endpoint http() {
        return http;
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

    /** Stops the node and keeps its process for the next one. */
    @Override
    public void close() {
        if (!isAlive()) {
            return;
        }
        host.send(WarmNodeMain.STOP);
        String answer = host.answer();
        while (!answer.equals(WarmNodeMain.STOPPED)) { // before it, what nobody has waited for
            answer = host.answer();
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
