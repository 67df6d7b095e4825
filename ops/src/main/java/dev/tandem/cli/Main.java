package dev.tandem.cli;

import dev.tandem.api.ApiException;
import dev.tandem.api.Version;
import dev.tandem.checkpoint.CheckpointException;
import dev.tandem.engine.request.EngineException;
import dev.tandem.kv.KvMemoryException;
import dev.tandem.node.NodeException;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import dev.tandem.ops.topology.TopologyException;
import dev.tandem.text.TokenizerException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@code tandem VERB …}. */
public final class Main {
    private static final Map<String, Verb> VERBS = verbs();

    private Main() {}

    /** One verb of the command line. */
    interface Verb {
        /** One line for the help. */
        String summary();

        /** Runs it; returns the exit status. */
        int run(List<String> words) throws IOException, InterruptedException;
    }

    private static Map<String, Verb> verbs() {
        var verbs = new LinkedHashMap<String, Verb>();
        verbs.put("up", new UpCommand());
        verbs.put("serve", new ServeCommand());
        verbs.put("proxy", new ProxyCommand());
        verbs.put("check", new CheckCommand());
        verbs.put("inspect", new InspectCommand());
        verbs.put("quantize", new QuantizeCommand());
        verbs.put("ranktable", new RankTableCommand());
        verbs.put("transfer", new TransferCommand());
        verbs.put("verify", new VerifyCommand());
        return verbs;
    }

    public static void main(String[] arguments) {
        Exit.now(run(Arrays.asList(arguments)));
    }

    /** Runs a command line; every failure becomes a message and a status. */
    static int run(List<String> words) {
        if (words.isEmpty()
                || words.getFirst().equals("--help")
                || words.getFirst().equals("-h")) {
            System.out.print(help());
            return words.isEmpty() ? Exit.WRONG_WORDS : Exit.WELL;
        }
        if (words.getFirst().equals("--version")) {
            System.out.println("tandem " + Version.TEXT);
            return Exit.WELL;
        }
        Verb verb = VERBS.get(words.getFirst());
        if (verb == null) {
            System.err.println("tandem: unknown command " + words.getFirst() + "; the nearest is "
                    + Nearest.of(words.getFirst(), VERBS.keySet()));
            return Exit.WRONG_WORDS;
        }
        try {
            return verb.run(words.subList(1, words.size()));
        } catch (FlagException e) {
            e.problems().forEach(problem -> System.err.println("tandem: " + problem));
            return Exit.WRONG_WORDS;
        } catch (TopologyException
                | CheckpointException
                | TokenizerException
                | KvMemoryException
                | NodeException
                | EngineException
                | ApiException e) {
            System.err.println("tandem: " + e.getMessage());
            return Exit.FAILED;
        } catch (IOException | UncheckedIOException e) {
            System.err.println("tandem: " + e.getMessage());
            return Exit.FAILED;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Exit.FAILED;
        }
    }

    private static String help() {
        var text = new StringBuilder("usage: tandem COMMAND …\n\n");
        VERBS.forEach((name, verb) -> text.append(String.format("  %-10s %s%n", name, verb.summary())));
        return text.append("\ntandem COMMAND --help tells more.\n").toString();
    }
}
