package dev.tandem.node.flags;

import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.node.flags.Flag.Effect;
import dev.tandem.node.flags.FlagTable.Habit;
import dev.tandem.transfer.TransferConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The command line of {@code tandem serve}, checked.
 *
 * @param process what whoever starts the process asks of it
 * @param model what to serve
 * @param server where to listen
 * @param parallel where ranks stand
 * @param cache KV memory
 * @param limits bounds of a step and of the queue
 * @param kvTransfer present on nodes of a disaggregated deployment
 * @param notes sentences on flags and keys that were accepted and have no effect, each with the reason, and on what looks odd
 */
public record ServeFlags(
        ProcessFlags process,
        Model model,
        Server server,
        Parallel parallel,
        Cache cache,
        BatchLimits limits,
        Optional<KvTransferConfig> kvTransfer,
        List<String> notes) {
    private static final FlagTable TABLE = FlagTable.of(Habit.VLLM, FlagList.TEXT);
    private static final List<String> DTYPES = List.of("auto", "float32", "float", "bfloat16", "float16", "half");
    private static final List<String> KERNELS = List.of("auto", "scalar", "vector-128", "vector-256", "vector-512");
    private static final int MAX_SEQUENCES = 65_536;
    private static final int MAX_CONNECTIONS = 1_000_000;
    private static final int MAX_BATCHED_TOKENS = 1 << 24;
    private static final int DEFAULT_BATCHED_TOKENS = 512;

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
     * @param metricsPort a port that shows {@code /metrics} alone, without keys; 0 for any free one
     * @param apiServers event loops that share the port; 0 on a headless node
     * @param access keys and certificates
     * @param outgoing what this process shows to metaservers that speak TLS, and whom of them it trusts
     * @param requestTimeoutSeconds for a whole request
     * @param maxConnections HTTP connections; without it as many as descriptors and memory allow
     */
    public record Server(
            String host,
            int port,
            OptionalInt metricsPort,
            int apiServers,
            ServerAccess access,
            TlsFiles outgoing,
            int requestTimeoutSeconds,
            OptionalInt maxConnections) {}

    /**
     * KV memory.
     *
     * @param memoryBytes {@code --kv-cache-memory-bytes}
     * @param utilization {@code --gpu-memory-utilization}
     * @param blockSize tokens per block
     * @param cachesPrefixes prefix caching
     */
    public record Cache(Optional<Long> memoryBytes, double utilization, int blockSize, boolean cachesPrefixes) {}

    public ServeFlags {
        notes = List.copyOf(notes);
    }

    /** The flags of {@code serve}. */
    public static FlagTable table() {
        return TABLE;
    }

    /** The help: the flags that act, the keys of the transfer config, and what is said of the others. */
    public static String help() {
        long none = TABLE.all().stream()
                .filter(flag -> flag.effect() instanceof Effect.None)
                .count();
        long refused = TABLE.all().stream()
                .filter(flag -> flag.effect() instanceof Effect.Refused)
                .count();
        return "usage: tandem serve CHECKPOINT [flags]\n" + TABLE.help() + "\n" + FlagList.KV_TRANSFER_KEYS
                + "\nOf vLLM's other flags " + none + " are accepted and have no effect, " + refused
                + " are refused, each with the reason.\n"
                + "--help=all lists them too; --help=ParallelConfig a group; --help=WORD the flags with the word.\n";
    }

    /**
     * Reads the arguments behind {@code tandem serve}, and the file that they name with {@code --config}.
     *
     * @throws FlagException with all problems at once
     */
    public static ServeFlags parse(List<String> arguments) {
        FlagArguments line = FlagArguments.read(TABLE, arguments);
        List<String> notes = line.notes();
        notes.addAll(AccessFlags.notes(line));
        Parallel parallel = Parallel.read(line);
        noteWhatHeadlessLeavesOut(line, parallel, notes);
        Optional<KvTransferConfig> kvTransfer = kvTransfer(line, parallel, notes);
        Model model = model(line);
        Server server = server(line, parallel);
        Cache cache = cache(line);
        Optional<BatchLimits> limits = limits(line);
        line.refuseProblems();
        return new ServeFlags(
                ProcessFlags.of(line), model, server, parallel, cache, limits.orElseThrow(), kvTransfer, notes);
    }

    /**
     * The configuration of an engine of this process.
     *
     * @param maxModelLength longest prompt plus output, tokens
     * @param handoff the engine's part in exchanges of KV, where it takes one
     * @throws FlagException when the length does not fit the bounds of a step
     */
    public EngineConfig engineConfig(int maxModelLength, Optional<HandoffConfig> handoff) {
        try {
            return new EngineConfig(maxModelLength, limits, cache.cachesPrefixes, model.generation.seed, handoff);
        } catch (IllegalArgumentException e) {
            throw new FlagException(String.valueOf(e.getMessage()));
        }
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
        Parallel.Data data = parallel.data();
        return kvTransfer.map(config ->
                new PortPlan(base(config, dataDistPort), parallel.tensor(), data.startRank(), data.localSize()));
    }

    /** As vllm-ascend: a rank behind a port of its own counts from its global index there, all others from this node's first. */
    private PortPlan.Base base(KvTransferConfig config, int dataDistPort) {
        if (!config.usesRankTable()) {
            return new PortPlan.Base("kv_port", config.kvPort(), 0);
        }
        boolean isExternal = parallel.data().balancing() == Parallel.Balancing.EXTERNAL;
        int first = isExternal ? 0 : parallel.data().startRank();
        return new PortPlan.Base(PortPlan.DATA_DIST_SETTING, dataDistPort, first);
    }

    /** A headless node has no HTTP; the guides give it the flags of one all the same. */
    private static void noteWhatHeadlessLeavesOut(FlagArguments line, Parallel parallel, List<String> notes) {
        if (parallel.isHeadless()) {
            List.of("host", "port", "metrics-port", "api-key", "api-key-file", "open-paths", "request-timeout").stream()
                    .filter(line::has)
                    .forEach(name ->
                            notes.add("--" + name + ": accepted, no effect, because a headless node has no HTTP"));
        }
    }

    private static Model model(FlagArguments line) {
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
                        dtype(line, "dtype"),
                        dtype(line, "kv-cache-dtype"),
                        quantization(line),
                        line.word("kernels", KERNELS, "auto")),
                line.whole("max-model-len", 2, Integer.MAX_VALUE).map(Long::intValue),
                generation(line));
    }

    private static Generation generation(FlagArguments line) {
        return new Generation(
                line.whole("seed", 0, Long.MAX_VALUE).orElse(0L),
                line.whole("max-logprobs", 0, 100, 20),
                line.word("generation-config", List.of("auto", "vllm"), "auto").equals("auto"),
                line.text("chat-template").map(Path::of));
    }

    private static Optional<Quantization> quantization(FlagArguments line) {
        Optional<String> scheme = line.text("quantization");
        if (scheme.isEmpty() || scheme.get().equals("ascend")) {
            return scheme.map(name -> Quantization.ASCEND);
        }
        line.problem("--quantization " + scheme.get()
                + " is not carried out; use ascend, or leave it out: the checkpoint says how it is quantized");
        return Optional.empty();
    }

    private static Server server(FlagArguments line, Parallel parallel) {
        int port = line.whole("port", 0, 65_535, 8000);
        return new Server(
                line.text("host").orElse("127.0.0.1"),
                port,
                AccessFlags.metricsPort(line, port),
                parallel.isHeadless() ? 0 : line.whole("api-server-count", 1, 1024, 1),
                AccessFlags.read(line),
                AccessFlags.files(line, "ssl"),
                line.whole("request-timeout", 1, 86_400, 600),
                line.whole("max-connections", 1, MAX_CONNECTIONS)
                        .map(most -> OptionalInt.of(most.intValue()))
                        .orElse(OptionalInt.empty()));
    }

    private static Cache cache(FlagArguments line) {
        int blockSize = line.whole("block-size", 1, 1024, 16);
        return new Cache(
                line.whole("kv-cache-memory-bytes", 1, Long.MAX_VALUE),
                line.number("gpu-memory-utilization", 0, 1).orElse(0.9),
                blockSize,
                line.isOn("enable-prefix-caching", true));
    }

    /** Empty when a bound cannot be used, which has been reported then. */
    private static Optional<BatchLimits> limits(FlagArguments line) {
        int reported = line.problemCount();
        int sequences = line.whole("max-num-seqs", 1, MAX_SEQUENCES, 128);
        int fitting = Math.max(DEFAULT_BATCHED_TOKENS, sequences);
        int batchedTokens = line.whole("max-num-batched-tokens", 1, MAX_BATCHED_TOKENS, fitting);
        int waiting = line.whole("max-waiting", 1, 1_000_000, 1024);
        if (line.problemCount() > reported) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    new BatchLimits(batchedTokens, sequences, waiting, line.isOn("enable-chunked-prefill", true)));
        } catch (IllegalArgumentException e) {
            line.problem(String.valueOf(e.getMessage()));
            return Optional.empty();
        }
    }

    private static Optional<KvTransferConfig> kvTransfer(FlagArguments line, Parallel parallel, List<String> notes) {
        try {
            var ports = new TransferConfig.Ports(
                    line.whole("handshake-port", 0, 65_535, 0), line.whole("transfer-port", 0, 65_535, 0));
            return line.object("kv-transfer-config").map(json -> KvTransferReader.read(json, ports, parallel, notes));
        } catch (FlagException e) {
            e.problems().forEach(line::problem);
            return Optional.empty();
        }
    }

    private static String dtype(FlagArguments line, String flag) {
        return switch (line.word(flag, DTYPES, "auto")) {
            case "float" -> "float32";
            case "half" -> "float16";
            case String other -> other;
        };
    }
}
