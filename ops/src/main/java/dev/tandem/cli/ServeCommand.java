package dev.tandem.cli;

import dev.tandem.node.Node;
import dev.tandem.node.NodeConfig;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.ServeFlags;
import java.io.IOException;
import java.util.List;

/** {@code tandem serve CHECKPOINT [flags]}: one node in the foreground. */
final class ServeCommand implements Main.Verb {
    private static final long WATCH_PERIOD_MS = 500;

    @Override
    public String summary() {
        return "serve a checkpoint on one node, with vLLM's flags";
    }

    @Override
    public int run(List<String> all) throws IOException, InterruptedException {
        for (String word : all) {
            if (word.equals("--help") || word.equals("-h")) {
                System.out.print(ServeFlags.help() + "\n" + NodeEnvironment.help());
                return Exit.WELL;
            }
            if (word.startsWith("--help=")) {
                System.out.print(ServeFlags.table().help(word.substring("--help=".length())));
                return Exit.WELL;
            }
        }
        ProcessOptions options = ProcessOptions.of(all);
        options.watchParent();
        var config = new NodeConfig(
                ServeFlags.parse(options.words()),
                NodeEnvironment.read(System.getenv()),
                Runtime.getRuntime().availableProcessors());
        Node node = Node.start(config);
        Runtime.getRuntime().addShutdownHook(new Thread(node::close, "node-close"));
        options.ready(node.report().toMap());
        while (node.failure().isEmpty()) {
            Thread.sleep(WATCH_PERIOD_MS);
        }
        System.err.println("tandem: the engine died: " + node.failure().get());
        return Exit.FAILED;
    }
}
