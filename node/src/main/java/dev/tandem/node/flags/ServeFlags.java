package dev.tandem.node.flags;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The command line of {@code tandem serve}, checked.
 *
 * @param model what to serve
 * @param server where to listen
 * @param cache KV memory
 * @param scheduler bounds of a step
 * @param kvTransfer present on nodes of a disaggregated deployment
 * @param notes flags and keys that were accepted and have no effect, each with the reason
 */
public record ServeFlags(
        Model model,
        Server server,
        Cache cache,
        Scheduler scheduler,
        Optional<KvTransferConfig> kvTransfer,
        List<String> notes) {

    /**
     * What to serve.
     *
     * @param checkpoint folder or file
     * @param names served names, the first is shown
     * @param numerics types
     * @param maxModelLength tokens; empty: the checkpoint's
     * @param generation sampling defaults and limits
     */
    public record Model(
            Path checkpoint,
            List<String> names,
            Numerics numerics,
            Optional<Integer> maxModelLength,
            Generation generation) {}

    /**
     * Types and kernels.
     *
     * @param dtype {@code auto}, {@code float32}, {@code bfloat16} or {@code float16}
     * @param kvCacheDtype the same words
     * @param kernels {@code auto} or a name
     */
    public record Numerics(String dtype, String kvCacheDtype, String kernels) {}

    /**
     * Sampling defaults and limits.
     *
     * @param seed base of drawn seeds
     * @param maxLogprobs most alternatives
     * @param usesCheckpointDefaults {@code --generation-config auto}
     * @param chatTemplate file to use instead of the checkpoint's
     */
    public record Generation(long seed, int maxLogprobs, boolean usesCheckpointDefaults, Optional<Path> chatTemplate) {}

    /**
     * Where to listen.
     *
     * @param host address to bind
     * @param port HTTP port; 0 for any free one
     * @param apiKeys keys for /v1; empty for none
     * @param requestTimeoutSeconds for a whole request
     * @param maxWaiting requests that may wait
     */
    public record Server(String host, int port, List<String> apiKeys, int requestTimeoutSeconds, int maxWaiting) {}

    /**
     * KV memory.
     *
     * @param memoryBytes {@code --kv-cache-memory-bytes}
     * @param utilization {@code --gpu-memory-utilization}
     * @param blockSize tokens a block
     * @param cachesPrefixes prefix caching
     */
    public record Cache(Optional<Long> memoryBytes, double utilization, int blockSize, boolean cachesPrefixes) {}

    /**
     * Bounds of a step.
     *
     * @param sequences {@code --max-num-seqs}
     * @param batchedTokens {@code --max-num-batched-tokens}
     * @param isPrefillChunked chunked prefill
     */
    public record Scheduler(int sequences, int batchedTokens, boolean isPrefillChunked) {}

    private static final List<String> DTYPES = List.of("auto", "float32", "float", "bfloat16", "float16", "half");

    public ServeFlags {
        notes = List.copyOf(notes);
    }

    /**
     * Reads the words behind {@code tandem serve}.
     *
     * @throws FlagException with all problems at once
     */
    public static ServeFlags parse(List<String> words) {
        CommandLine line = CommandLine.read(words);
        var notes = new ArrayList<String>();
        line.withoutEffect().forEach(flag -> notes.add("--" + flag.name() + ": " + flag.noEffect()));
        Optional<KvTransferConfig> kvTransfer = kvTransfer(line);
        kvTransfer.ifPresent(config -> notes.addAll(config.notes()));
        refuseRanks(line, kvTransfer);
        var flags = new ServeFlags(model(line), server(line), cache(line), scheduler(line), kvTransfer, notes);
        if (!line.problems().isEmpty()) {
            throw new FlagException(line.problems());
        }
        return flags;
    }

    private static Model model(CommandLine line) {
        Optional<String> named = line.text("model");
        if (named.isPresent() == (line.positional().size() == 1)
                || line.positional().size() > 1) {
            line.problem("give one checkpoint: tandem serve CHECKPOINT; found "
                    + (line.positional().isEmpty()
                            ? "none"
                            : line.positional()
                                    + named.map(n -> " and --model " + n).orElse("")));
        }
        String path = named.orElse(
                line.positional().isEmpty() ? "." : line.positional().getFirst());
        Path checkpoint = Path.of(path);
        List<String> names = line.texts("served-model-name");
        return new Model(
                checkpoint,
                names.isEmpty() ? List.of(path) : List.copyOf(names),
                new Numerics(
                        word(line, "dtype", DTYPES),
                        word(line, "kv-cache-dtype", DTYPES),
                        word(line, "kernels", List.of("auto", "scalar", "vector-128", "vector-256", "vector-512"))),
                line.whole("max-model-len", 1, Integer.MAX_VALUE).map(Long::intValue),
                generation(line));
    }

    private static Generation generation(CommandLine line) {
        return new Generation(
                line.whole("seed", 0, Long.MAX_VALUE).orElse(0L),
                line.whole("max-logprobs", 0, 100).orElse(20L).intValue(),
                word(line, "generation-config", List.of("auto", "vllm")).equals("auto"),
                line.text("chat-template").map(Path::of));
    }

    private static Server server(CommandLine line) {
        return new Server(
                line.text("host").orElse("127.0.0.1"),
                line.whole("port", 0, 65_535).orElse(8000L).intValue(),
                List.copyOf(line.texts("api-key")),
                line.whole("request-timeout", 1, 86_400).orElse(600L).intValue(),
                line.whole("max-waiting", 1, 1_000_000).orElse(1024L).intValue());
    }

    private static Cache cache(CommandLine line) {
        int blockSize = line.whole("block-size", 1, 1024).orElse(16L).intValue();
        return new Cache(
                line.whole("kv-cache-memory-bytes", 1, Long.MAX_VALUE),
                line.number("gpu-memory-utilization", 0, 1).orElse(0.9),
                blockSize,
                line.flag("enable-prefix-caching").orElse(true));
    }

    private static Scheduler scheduler(CommandLine line) {
        int sequences = line.whole("max-num-seqs", 1, 65_536).orElse(128L).intValue();
        int batchedTokens = line.whole("max-num-batched-tokens", 1, 1 << 24)
                .orElse(Math.max(512L, sequences))
                .intValue();
        if (batchedTokens < sequences) {
            line.problem("--max-num-batched-tokens " + batchedTokens + " is below --max-num-seqs " + sequences
                    + "; a step must hold a token of every sequence");
        }
        return new Scheduler(
                sequences, batchedTokens, line.flag("enable-chunked-prefill").orElse(true));
    }

    private static Optional<KvTransferConfig> kvTransfer(CommandLine line) {
        try {
            return line.object("kv-transfer-config").map(KvTransferConfig::read);
        } catch (FlagException e) {
            e.problems().forEach(line::problem);
            return Optional.empty();
        }
    }

    /** Groups have one member in this version: more is refused, never cut down in silence. */
    private static void refuseRanks(CommandLine line, Optional<KvTransferConfig> kvTransfer) {
        for (String flag : List.of("tensor-parallel-size", "data-parallel-size")) {
            line.whole(flag, 1, 1 << 16)
                    .filter(size -> size > 1)
                    .ifPresent(size ->
                            line.problem("--" + flag + " " + size + " is not carried out in this version; use 1"));
        }
        kvTransfer.ifPresent(config -> {
            Optional<KvTransferConfig.Sizes> own =
                    config.role() == KvTransferConfig.Role.KV_CONSUMER ? config.decode() : config.prefill();
            own.filter(sizes -> sizes.tp() != 1 || sizes.dp() != 1)
                    .ifPresent(sizes ->
                            line.problem("kv-transfer-config: this side's dp_size " + sizes.dp() + " and tp_size "
                                    + sizes.tp() + " contradict --data-parallel-size 1 and --tensor-parallel-size 1"));
        });
    }

    private static String word(CommandLine line, String flag, List<String> known) {
        String word = line.text(flag).orElse("auto");
        if (!known.contains(word)) {
            line.problem("--" + flag + " must be one of " + String.join(", ", known) + ", not " + word);
        }
        return switch (word) {
            case "float" -> "float32";
            case "half" -> "float16";
            default -> word;
        };
    }
}
