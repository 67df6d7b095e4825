package dev.tandem.cli;

import dev.tandem.node.Node;
import dev.tandem.node.NodeConfig;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.ServeFlags;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem serve CHECKPOINT [flags]}: one node in the foreground. */
final class ServeCommand implements Verb {
    private static final long WATCH_PERIOD_MS = 500;

    @Override
    public String summary() {
        return "serve a checkpoint on one node, with vLLM's flags";
    }

    @Override
    public CommandSpec spec() {
        return ForeignGrammar.spec(ServeFlags.table());
    }

    @Override
    public int run(List<String> arguments) throws IOException, InterruptedException {
        Optional<String> help =
                ForeignGrammar.help(arguments, ServeFlags.table(), ServeFlags.help() + "\n" + NodeEnvironment.help());
        if (help.isPresent()) {
            System.out.print(help.get());
            return Exit.WELL;
        }
        NodeConfig config = NodeConfig.read(
                arguments,
                () -> NodeEnvironment.read(System.getenv()),
                Runtime.getRuntime().availableProcessors());
        var parent = new ParentProcess(config.flags().process());
        parent.watch();
        Node node = Node.start(config);
        Exit.atEnd(node::close);
        parent.tellReady(node.report().toMap());
        while (node.failure().isEmpty()) {
            Thread.sleep(WATCH_PERIOD_MS);
        }
        Exit.say("the engine died: " + node.failure().get());
        return Exit.FAILED;
    }
}
