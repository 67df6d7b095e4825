package dev.tandem.systemtest.process;

import dev.tandem.node.Node;
import dev.tandem.node.NodeConfig;
import dev.tandem.node.NodeEnvironment;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

/**
 * Serves one node after another, each as {@code tandem serve} would. A line of standard input is a {@link Request} as JSON, or {@code
 * stop}; standard output answers each with one line: {@code ready}, {@code stopped}, or what went wrong.
 */
public final class WarmNodeMain {
    static final String READY = "ready";
    static final String STOP = "stop";
    static final String STOPPED = "stopped";

    private WarmNodeMain() {}

    /**
     * The next node.
     *
     * @param arguments behind {@code tandem serve}
     * @param variables of the environment, over this process's
     */
    record Request(List<String> arguments, Map<String, String> variables) {}

    public static void main(String[] arguments) throws InterruptedException {
        PrintStream answers = System.out;
        System.setOut(System.err); // the log, as in a process of its own
        Logger log = LoggerFactory.getLogger(WarmNodeMain.class);
        BlockingQueue<String> lines = new ArrayBlockingQueue<>(2); // a start and its stop
        Thread.ofPlatform().daemon().name("requests").start(() -> read(lines));
        Optional<Node> node = Optional.empty();
        while (true) {
            String line = lines.take();
            try {
                if (line.equals(STOP)) {
                    Optional<String> failure = node.flatMap(Node::failure);
                    node.ifPresent(Node::close);
                    node = Optional.empty();
                    answers.println(failure.orElse(STOPPED));
                } else {
                    node = Optional.of(Node.start(config(JsonMapper.shared().readValue(line, Request.class))));
                    answers.println(READY);
                }
            } catch (RuntimeException | Error e) {
                log.error("{}", line, e);
                answers.println(e);
            }
        }
    }

    /** Until the end of the input: then whoever asks is gone, and this process goes too, whatever it is doing. */
    private static void read(BlockingQueue<String> lines) {
        try (var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                lines.put(line);
            }
            System.exit(0);
        } catch (IOException | InterruptedException e) {
            System.exit(1);
        }
    }

    private static NodeConfig config(Request request) {
        var variables = new HashMap<>(System.getenv());
        variables.putAll(request.variables());
        return NodeConfig.read(
                request.arguments(),
                () -> NodeEnvironment.read(variables),
                Runtime.getRuntime().availableProcessors());
    }
}
