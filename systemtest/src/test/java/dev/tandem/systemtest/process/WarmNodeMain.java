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

    public static void main(String[] arguments) throws IOException {
        PrintStream answers = System.out;
        System.setOut(System.err); // the log, as in a process of its own
        Logger log = LoggerFactory.getLogger(WarmNodeMain.class);
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Node node = null;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                if (!line.equals(STOP)) {
                    node = Node.start(config(JsonMapper.shared().readValue(line, Request.class)));
                    answers.println(READY);
                } else {
                    if (node != null) {
                        node.close();
                    }
                    node = null;
                    answers.println(STOPPED);
                }
            } catch (RuntimeException e) {
                log.error("no node", e);
                answers.println(e);
            }
        }
        System.exit(0); // whoever asks is gone
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
