package dev.tandem.cli;

import dev.tandem.node.flags.Nearest;
import dev.tandem.node.flags.TrustSettings;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.tool.TransferBench;
import dev.tandem.transfer.tool.TransferCopy;
import dev.tandem.transfer.tool.TransferTarget;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem transfer target|bench|read|write}: the transfer engine alone, as operators use Mooncake's bench. */
final class TransferCommand implements Verb {
    private static final String HOST = "--host";
    private static final String PACE = "--pace";
    private static final String TOKEN_FILE = "--cluster-token-file";
    private static final String TARGET = "--target";
    private static final int MAX_SECONDS = 86_400;
    private static final long MEBIBYTE = 1L << 20;
    private static final List<String> OPERATIONS = List.of("target", "bench", "read", "write");

    @Override
    public String summary() {
        return "measure and use the transfer engine alone";
    }

    private static String summary(String operation) {
        return switch (operation) {
            case "target" -> "offer memory to peers, until a signal";
            case "bench" -> "read or write the memory of a target, and measure it";
            case "read" -> "copy a target's memory to standard output";
            default -> "copy standard input into a target's memory";
        };
    }

    private static Grammar grammar(String operation) {
        Grammar grammar = new Grammar("transfer " + operation, summary(operation))
                .text(HOST, "ADDRESS", "this side's address (default 127.0.0.1)")
                .option(
                        TOKEN_FILE,
                        "FILE",
                        Path.class,
                        Path::of,
                        "file with the cluster's secret (default: " + PeerTrust.TOKEN_FILE + " or " + PeerTrust.TOKEN
                                + "; none of them: peers prove nothing)")
                .flag("--no-checksum", "do not offer CRC32C to the peer");
        if (!operation.equals("read")) {
            bytes(
                    grammar,
                    PACE,
                    0,
                    "most bytes that this side sends per second, as 125m for 1 Gbit/s (default: no bound)");
        }
        if (!operation.equals("target")) {
            grammar.required(TARGET, "HOST:PORT", String.class, text -> text, "the target");
        }
        return switch (operation) {
            case "target" ->
                bytes(grammar, "--size", 1, "bytes of memory (default 64MiB)").process();
            case "bench" -> bench(grammar);
            case "read" ->
                bytes(address(grammar), "--length", 1, "bytes to read (default: all of them behind the address)");
            default -> address(grammar);
        };
    }

    private static Grammar bytes(Grammar grammar, String name, long min, String help) {
        return grammar.option(name, "BYTES", Long.class, Value.whole(min, Long.MAX_VALUE), help);
    }

    private static Grammar address(Grammar grammar) {
        return bytes(grammar, "--addr", 0, "address in the target's memory (default 0)");
    }

    private static Grammar bench(Grammar grammar) {
        grammar.required("--op", "read|write", String.class, Value.word("read", "write"), "what is measured");
        bytes(grammar, "--block", 1, "bytes per block (default 1MiB)");
        return grammar.option(
                        "--batch",
                        "N",
                        Integer.class,
                        Value.count(1, Integer.MAX_VALUE),
                        "blocks per call (default: as many as the block's size makes sensible)")
                .option("--threads", "N", Integer.class, Value.count(1, Integer.MAX_VALUE), "callers (default 1)")
                .option("--secs", "SECONDS", Duration.class, Value.seconds(MAX_SECONDS), "how long (default 5)");
    }

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.create();
        OPERATIONS.forEach(
                operation -> spec.addSubcommand(operation, grammar(operation).spec()));
        return spec;
    }

    private static String help() {
        var text = new StringBuilder("usage: tandem transfer OPERATION [flags]\n\n");
        OPERATIONS.forEach(operation -> text.append(String.format("  %-8s %s%n", operation, summary(operation))));
        return text.append("\ntandem transfer OPERATION --help tells more.\n").toString();
    }

    @Override
    public int run(List<String> all) throws IOException, InterruptedException {
        String operation = all.isEmpty() ? "" : all.getFirst();
        if (operation.equals("--help") || operation.equals("-h")) {
            System.out.print(help());
            return Exit.WELL;
        }
        if (!OPERATIONS.contains(operation)) {
            System.err.print(
                    operation.isEmpty()
                            ? help()
                            : "tandem: unknown operation " + operation + "; the nearest is "
                                    + Nearest.of(operation, OPERATIONS) + "\n");
            return Exit.WRONG_ARGUMENTS;
        }
        VerbArguments arguments = grammar(operation).read(all.subList(1, all.size()));
        if (arguments.isHelpAsked()) {
            System.out.print(grammar(operation).help());
            return Exit.WELL;
        }
        arguments.refuseProblems();
        try {
            switch (operation) {
                case "target" -> target(arguments);
                case "bench" -> bench(arguments);
                case "read" -> read(arguments);
                default -> write(arguments);
            }
            return Exit.WELL;
        } catch (TransferException e) {
            return failed(e);
        } catch (CompletionException e) {
            if (e.getCause() instanceof TransferException cause) {
                return failed(cause);
            }
            throw e;
        }
    }

    /** As a node of the cluster has it: what the flag names, else what the variables do. */
    private static PeerTrust trust(VerbArguments arguments, Map<String, String> environment) {
        var variables = new HashMap<>(environment);
        arguments.value(TOKEN_FILE, Path.class).ifPresent(file -> {
            variables.remove(PeerTrust.TOKEN);
            variables.put(PeerTrust.TOKEN_FILE, file.toString());
        });
        return TrustSettings.open(variables);
    }

    private static TransferConfig config(VerbArguments arguments) {
        TransferConfig config =
                TransferConfig.of(arguments.value(HOST, String.class).orElse("127.0.0.1"));
        return new TransferConfig(
                        config.host(),
                        config.ports().handshake(),
                        config.flow(),
                        !arguments.has("--no-checksum"),
                        config.timeouts())
                .withPace(bytes(arguments, PACE, 0))
                .with(trust(arguments, System.getenv()));
    }

    private static TransferCopy.RemoteAddress address(VerbArguments arguments) {
        return new TransferCopy.RemoteAddress(
                arguments.value(TARGET, String.class).orElseThrow(), bytes(arguments, "--addr", 0));
    }

    private static long bytes(VerbArguments arguments, String name, long absent) {
        return arguments.value(name, Long.class).orElse(absent);
    }

    private static int failed(TransferException failure) {
        Exit.say(failure.kind() + ": " + failure.getMessage());
        return Exit.FAILED;
    }

    private static void target(VerbArguments arguments) throws InterruptedException {
        try (TransferTarget target =
                TransferTarget.open(config(arguments), bytes(arguments, "--size", 64 * MEBIBYTE))) {
            new ParentProcess(Grammar.process(arguments)).watch();
            System.out.println(target.toJson());
            Thread.currentThread().join(); // until a signal, or the parent's end, ends the process
        }
    }

    private static void bench(VerbArguments arguments) {
        boolean isRead = arguments.value("--op", String.class).orElseThrow().equals("read");
        long block = bytes(arguments, "--block", MEBIBYTE);
        var plan = new TransferBench.Plan(
                arguments.value(TARGET, String.class).orElseThrow(),
                isRead ? Operation.READ : Operation.WRITE,
                arguments
                        .value("--batch", Integer.class)
                        .map(batch -> new TransferBench.Shape(block, batch))
                        .orElseGet(() -> TransferBench.Shape.of(block)),
                arguments.value("--threads", Integer.class).orElse(1),
                arguments.value("--secs", Duration.class).orElse(Duration.ofSeconds(5)));
        try (TransferEngine engine = TransferEngine.start(config(arguments))) {
            System.out.println(TransferBench.run(engine, plan).toJson());
        }
    }

    private static void read(VerbArguments arguments) throws IOException {
        TransferCopy.RemoteAddress address = address(arguments);
        try (TransferEngine engine = TransferEngine.start(config(arguments))) {
            long length =
                    arguments.value("--length", Long.class).orElseGet(() -> TransferCopy.bytesBehind(engine, address));
            TransferCopy.read(engine, address, length, System.out);
            System.out.flush();
        }
    }

    private static void write(VerbArguments arguments) throws IOException {
        try (TransferEngine engine = TransferEngine.start(config(arguments))) {
            TransferCopy.Copied copied = TransferCopy.write(engine, address(arguments), Long.MAX_VALUE, System.in);
            System.err.println(copied.bytes() + " bytes written"
                    + (copied.isConfirmed() ? "" : ", unconfirmed: the peer speaks protocol 1"));
        }
    }
}
