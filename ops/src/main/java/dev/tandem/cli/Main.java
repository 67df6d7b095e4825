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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem VERB …}. */
public final class Main {
    private static final String HELP = "help";
    private static final Map<String, Verb> VERBS = verbs();

    private Main() {}

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
        verbs.put("key", new KeyCommand());
        verbs.put("completion", new CompletionCommand(Main::spec));
        return verbs;
    }

    public static void main(String[] arguments) {
        Exit.now(run(Arrays.asList(arguments)));
    }

    /** Runs a command line; every failure becomes a message and a status. */
    static int run(List<String> arguments) {
        if (arguments.isEmpty()) {
            System.out.print(help());
            return Exit.WRONG_ARGUMENTS;
        }
        List<String> behind = arguments.subList(1, arguments.size());
        return switch (arguments.getFirst()) {
            case "--version" -> print("tandem " + Version.TEXT + "\n");
            case "--help", "-h", HELP -> behind.isEmpty() ? print(help()) : run(behind.getFirst(), List.of("--help"));
            default -> run(arguments.getFirst(), behind);
        };
    }

    private static int print(String text) {
        System.out.print(text);
        return Exit.WELL;
    }

    private static int run(String name, List<String> arguments) {
        Verb verb = VERBS.get(name);
        if (verb == null) {
            var known = new ArrayList<>(VERBS.keySet());
            known.add(HELP);
            Exit.say("unknown command " + name + "; the nearest is " + Nearest.of(name, known));
            return Exit.WRONG_ARGUMENTS;
        }
        try {
            return verb.run(arguments);
        } catch (FlagException e) {
            e.problems().forEach(Exit::say);
            return Exit.WRONG_ARGUMENTS;
        } catch (TopologyException
                | CheckpointException
                | TokenizerException
                | KvMemoryException
                | NodeException
                | EngineException
                | ApiException e) {
            Exit.say(e.getMessage());
            return Exit.FAILED;
        } catch (IOException | UncheckedIOException e) {
            Exit.say(e.getMessage());
            return Exit.FAILED;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Exit.FAILED;
        }
    }

    private static String help() {
        var text = new StringBuilder("usage: tandem COMMAND …\n\n");
        VERBS.forEach((name, verb) -> text.append(String.format("  %-10s %s%n", name, verb.summary())));
        return text.append(
                        "\ntandem help COMMAND, or tandem COMMAND --help, tells more; tandem --version says which this is.\n")
                .toString();
    }

    /** All verbs with their flags. */
    private static CommandSpec spec() {
        CommandSpec spec = CommandSpec.create().name("tandem");
        VERBS.forEach((name, verb) -> spec.addSubcommand(name, verb.spec()));
        CommandSpec help = CommandSpec.create();
        VERBS.keySet().forEach(name -> help.addSubcommand(name, CommandSpec.create()));
        return spec.addSubcommand(HELP, help);
    }
}
