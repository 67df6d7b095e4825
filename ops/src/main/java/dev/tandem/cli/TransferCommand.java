package dev.tandem.cli;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.WholeNumber;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.tool.TransferBench;
import dev.tandem.transfer.tool.TransferCopy;
import dev.tandem.transfer.tool.TransferTarget;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;

/** {@code tandem transfer target|bench|read|write}: the transfer engine alone, as operators use Mooncake's bench. */
final class TransferCommand implements Main.Verb {
    private static final String USAGE = """
            usage: tandem transfer target [--host H] [--size 64MiB]
                   tandem transfer bench --target HOST:PORT --op read|write [--block 1MiB] [--batch N] [--threads 1] [--secs 5]
                   tandem transfer read  --target HOST:PORT --addr A [--length N]      bytes to standard output
                   tandem transfer write --target HOST:PORT --addr A                   bytes from standard input

              --host         this side's address (default 127.0.0.1)
              --no-checksum  do not offer CRC32C to the peer
              --pace         most bytes that this side sends in a second, as 125MB for 1 Gbit/s (default: no bound)
            """;
    private static final Map<String, Set<String>> FLAGS = Map.of(
            "target", Set.of("host", "pace", "size"),
            "bench", Set.of("host", "pace", "target", "op", "block", "batch", "threads", "secs"),
            "read", Set.of("host", "target", "addr", "length"),
            "write", Set.of("host", "pace", "target", "addr"));

    @Override
    public String summary() {
        return "measure and use the transfer engine alone";
    }

    /** Flags of one call, checked. */
    private record Options(Map<String, String> values, boolean hasChecksums) {
        static Options of(String verb, List<String> words) {
            var values = new HashMap<String, String>();
            boolean hasChecksums = true;
            for (int i = 0; i < words.size(); i++) {
                if (words.get(i).equals("--no-checksum")) {
                    hasChecksums = false;
                    continue;
                }
                String name = words.get(i).startsWith("--") ? words.get(i).substring(2) : "";
                if (!FLAGS.getOrDefault(verb, Set.of()).contains(name) || i + 1 == words.size()) {
                    throw new FlagException(
                            "tandem transfer " + verb + " does not take " + words.get(i) + "\n" + USAGE);
                }
                values.put(name, words.get(++i));
            }
            return new Options(values, hasChecksums);
        }

        String required(String name) {
            String value = values.get(name);
            if (value == null) {
                throw new FlagException("--" + name + " is missing\n" + USAGE);
            }
            return value;
        }

        long whole(String name, String absent) {
            String text = values.getOrDefault(name, absent);
            return WholeNumber.parse(text)
                    .filter(value -> value >= 0)
                    .orElseThrow(() ->
                            new FlagException("--" + name + " must be a whole number such as 64MiB, not " + text));
        }

        int count(String name, String absent) {
            long value = whole(name, absent);
            if (value < 1 || value > Integer.MAX_VALUE) {
                throw new FlagException("--" + name + " " + value + " is outside [1, " + Integer.MAX_VALUE + "]");
            }
            return (int) value;
        }

        Duration seconds(String name, String absent) {
            String text = values.getOrDefault(name, absent);
            try {
                double seconds = Double.parseDouble(text);
                if (seconds > 0 && seconds <= 86_400) {
                    return Duration.ofNanos((long) (seconds * 1e9));
                }
            } catch (NumberFormatException e) {
                throw new FlagException("--" + name + " must be a number of seconds, not " + text);
            }
            throw new FlagException("--" + name + " " + text + " is outside (0, 86400]");
        }

        TransferConfig config() {
            TransferConfig config = TransferConfig.of(values.getOrDefault("host", "127.0.0.1"));
            return new TransferConfig(config.host(), config.rpcPort(), config.flow(), hasChecksums, config.timeouts())
                    .withPace(whole("pace", "0"));
        }

        TransferCopy.RemoteAddress place() {
            return new TransferCopy.RemoteAddress(required("target"), whole("addr", "0"));
        }
    }

    @Override
    public int run(List<String> all) throws IOException, InterruptedException {
        if (all.isEmpty() || !FLAGS.containsKey(all.getFirst())) {
            System.err.print(USAGE);
            return all.contains("--help") ? Exit.WELL : Exit.WRONG_WORDS;
        }
        ProcessOptions process = ProcessOptions.of(all.subList(1, all.size()));
        Options options = Options.of(all.getFirst(), process.words());
        try {
            switch (all.getFirst()) {
                case "target" -> target(options, process);
                case "bench" -> bench(options);
                case "read" -> read(options);
                default -> write(options);
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

    private static int failed(TransferException failure) {
        System.err.println("tandem: " + failure.kind() + ": " + failure.getMessage());
        return Exit.FAILED;
    }

    private static void target(Options options, ProcessOptions process) throws InterruptedException {
        try (TransferTarget target = TransferTarget.open(options.config(), options.whole("size", "64MiB"))) {
            process.watchParent();
            System.out.println(target.toJson());
            Thread.currentThread().join(); // until a signal, or the parent's end, ends the process
        }
    }

    private static void bench(Options options) {
        Operation operation = switch (options.required("op")) {
            case "read" -> Operation.READ;
            case "write" -> Operation.WRITE;
            default -> throw new FlagException("--op must be read or write, not " + options.required("op"));
        };
        long block = options.whole("block", "1MiB");
        TransferBench.Shape shape = options.values().containsKey("batch")
                ? new TransferBench.Shape(block, options.count("batch", "1"))
                : TransferBench.Shape.of(block);
        var plan = new TransferBench.Plan(
                options.required("target"),
                operation,
                shape,
                options.count("threads", "1"),
                options.seconds("secs", "5"));
        try (TransferEngine engine = TransferEngine.start(options.config())) {
            System.out.println(TransferBench.run(engine, plan).toJson());
        }
    }

    private static void read(Options options) throws IOException {
        try (TransferEngine engine = TransferEngine.start(options.config())) {
            long length = options.values().containsKey("length")
                    ? options.whole("length", "0")
                    : TransferCopy.bytesBehind(engine, options.place());
            TransferCopy.read(engine, options.place(), length, System.out);
            System.out.flush();
        }
    }

    private static void write(Options options) throws IOException {
        try (TransferEngine engine = TransferEngine.start(options.config())) {
            TransferCopy.Copied copied = TransferCopy.write(engine, options.place(), Long.MAX_VALUE, System.in);
            System.err.println(copied.bytes() + " bytes written"
                    + (copied.isConfirmed() ? "" : ", unconfirmed: the peer speaks protocol 1"));
        }
    }
}
