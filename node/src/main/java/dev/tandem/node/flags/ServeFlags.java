package dev.tandem.node.flags;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The command line of {@code tandem serve}, checked.
 *
 * @param model what to serve
 * @param server where to listen
 * @param engine ranks, memory and steps
 * @param kvTransfer present on nodes of a disaggregated deployment
 * @param notes sentences on flags and keys that were accepted and have no effect, each with the reason, and on what looks odd
 */
public record ServeFlags(
        Model model, Server server, Engine engine, Optional<KvTransferConfig> kvTransfer, List<String> notes) {

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
     * @param quantization scheme that the checkpoint must have; empty: whatever the checkpoint says
     * @param kernels {@code auto} or a name
     */
    public record Numerics(String dtype, String kvCacheDtype, Optional<Quantization> quantization, String kernels) {}

    /** Schemes of quantized checkpoints that {@code --quantization} may ask for. */
    public enum Quantization {
        /** ModelSlim's W8A8, described by {@code quant_model_description.json}. */
        ASCEND
    }

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
     * @param apiServers event loops that share the port; 0 on a headless node
     * @param apiKeys keys for /v1; empty for none
     * @param bounds of requests
     */
    public record Server(String host, int port, int apiServers, List<String> apiKeys, RequestBounds bounds) {
        public int requestTimeoutSeconds() {
            return bounds.timeoutSeconds;
        }

        public int maxWaiting() {
            return bounds.maxWaiting;
        }
    }

    /**
     * Bounds of requests.
     *
     * @param timeoutSeconds for a whole request
     * @param maxWaiting requests that may wait
     */
    public record RequestBounds(int timeoutSeconds, int maxWaiting) {}

    /**
     * Ranks, memory and steps.
     *
     * @param parallel where ranks stand
     * @param cache KV memory
     * @param scheduler bounds of a step
     */
    public record Engine(Parallel parallel, Cache cache, Scheduler scheduler) {}

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
     * Reads the words behind {@code tandem serve}, and the file that they name with {@code --config}.
     *
     * @throws FlagException with all problems at once
     */
    public static ServeFlags parse(List<String> words) {
        CommandLine line = CommandLine.read(words);
        List<String> notes = line.notes();
        Parallel parallel = Parallel.read(line);
        noteWhatHeadlessLeavesOut(line, parallel, notes);
        Optional<KvTransferConfig> kvTransfer = kvTransfer(line, parallel, notes);
        var flags = new ServeFlags(
                model(line),
                server(line, parallel),
                new Engine(parallel, cache(line), scheduler(line)),
                kvTransfer,
                notes);
        if (!line.problems().isEmpty()) {
            throw new FlagException(line.problems().stream().distinct().toList());
        }
        return flags;
    }

    public Parallel parallel() {
        return engine.parallel;
    }

    public Cache cache() {
        return engine.cache;
    }

    public Scheduler scheduler() {
        return engine.scheduler;
    }

    /** Side-channel ports of this process's ranks, when it takes part in handoffs and the environment says nothing of them. */
    public Optional<PortPlan> ports() {
        return ports(PortPlan.DATA_DIST_PORT);
    }

    /**
     * Side-channel ports of this process's ranks, when it takes part in handoffs.
     *
     * @param dataDistPort {@code VLLM_ASCEND_LLMDD_RPC_PORT}, from which LLMDataDistCMgrConnector counts
     */
    public Optional<PortPlan> ports(int dataDistPort) {
        Parallel.Data data = parallel().data();
        return kvTransfer.map(config ->
                new PortPlan(base(config, dataDistPort), parallel().tensor(), data.startRank(), data.localSize()));
    }

    /** As vllm-ascend: a rank behind a port of its own counts from its global index there, all others from this node's first. */
    private PortPlan.Base base(KvTransferConfig config, int dataDistPort) {
        if (config.connector() != KvTransferConfig.Connector.DATA_DIST) {
            return new PortPlan.Base("kv_port", config.kvPort(), 0);
        }
        boolean isExternal = parallel().data().balancing() == Parallel.Balancing.EXTERNAL;
        int first = isExternal ? 0 : parallel().data().startRank();
        return new PortPlan.Base(PortPlan.DATA_DIST_SETTING, dataDistPort, first);
    }

    /** A headless node has no HTTP; the guides give it the flags of one all the same. */
    private static void noteWhatHeadlessLeavesOut(CommandLine line, Parallel parallel, List<String> notes) {
        if (parallel.isHeadless()) {
            List.of("host", "port", "api-key", "request-timeout").stream()
                    .filter(line::has)
                    .forEach(name ->
                            notes.add("--" + name + ": accepted, no effect, because a headless node has no HTTP"));
        }
    }

    private static Model model(CommandLine line) {
        Optional<String> named = line.text("model");
        if (named.isPresent() != line.positional().isEmpty()
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
                        quantization(line),
                        word(line, "kernels", List.of("auto", "scalar", "vector-128", "vector-256", "vector-512"))),
                line.whole("max-model-len", 1, Integer.MAX_VALUE).map(Long::intValue),
                generation(line));
    }

    private static Generation generation(CommandLine line) {
        return new Generation(
                line.whole("seed", 0, Long.MAX_VALUE).orElse(0L),
                whole(line, "max-logprobs", 0, 100, 20),
                word(line, "generation-config", List.of("auto", "vllm")).equals("auto"),
                line.text("chat-template").map(Path::of));
    }

    private static Optional<Quantization> quantization(CommandLine line) {
        Optional<String> scheme = line.text("quantization");
        if (scheme.isEmpty() || scheme.get().equals("ascend")) {
            return scheme.map(name -> Quantization.ASCEND);
        }
        line.problem("--quantization " + scheme.get()
                + " is not carried out; use ascend, or leave it out: the checkpoint says how it is quantized");
        return Optional.empty();
    }

    private static Server server(CommandLine line, Parallel parallel) {
        return new Server(
                line.text("host").orElse("127.0.0.1"),
                whole(line, "port", 0, 65_535, 8000),
                parallel.isHeadless() ? 0 : whole(line, "api-server-count", 1, 1024, 1),
                List.copyOf(line.texts("api-key")),
                new RequestBounds(
                        whole(line, "request-timeout", 1, 86_400, 600),
                        whole(line, "max-waiting", 1, 1_000_000, 1024)));
    }

    private static Cache cache(CommandLine line) {
        int blockSize = whole(line, "block-size", 1, 1024, 16);
        return new Cache(
                line.whole("kv-cache-memory-bytes", 1, Long.MAX_VALUE),
                line.number("gpu-memory-utilization", 0, 1).orElse(0.9),
                blockSize,
                line.flag("enable-prefix-caching").orElse(true));
    }

    private static Scheduler scheduler(CommandLine line) {
        int sequences = whole(line, "max-num-seqs", 1, 65_536, 128);
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

    private static Optional<KvTransferConfig> kvTransfer(CommandLine line, Parallel parallel, List<String> notes) {
        try {
            return line.object("kv-transfer-config").map(json -> KvTransferReader.read(json, parallel, notes));
        } catch (FlagException e) {
            e.problems().forEach(line::problem);
            return Optional.empty();
        }
    }

    private static int whole(CommandLine line, String flag, long min, long max, long absent) {
        return line.whole(flag, min, max).orElse(absent).intValue();
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
