package dev.tandem.node.flags;

import static dev.tandem.node.flags.Flag.acting;
import static dev.tandem.node.flags.Flag.withoutEffect;

import dev.tandem.node.flags.Flag.Kind;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** All flags of {@code tandem serve}, in the order of its help. */
public final class FlagTable {
    private static final String MODEL = "Model";
    private static final String FRONTEND = "Frontend";
    private static final String PARALLEL = "Parallel";
    private static final String CACHE = "Cache";
    private static final String SCHEDULER = "Scheduler";
    private static final String TRANSFER = "KV transfer";

    private static final Map<String, Flag> FLAGS = table(
            acting(
                    "model",
                    Kind.TEXT,
                    MODEL,
                    "checkpoint: a Hugging Face folder or a .gguf file; usually given without a flag"),
            acting(
                    "served-model-name",
                    Kind.TEXTS,
                    MODEL,
                    "names that requests may use; the first is shown (default: the path's last name)"),
            acting(
                    "dtype",
                    Kind.TEXT,
                    MODEL,
                    "auto | float32 | bfloat16 | float16: auto follows the checkpoint, float32 is exact"),
            acting(
                    "max-model-len",
                    Kind.WHOLE,
                    MODEL,
                    "longest prompt plus output, tokens (default: the checkpoint's, cut to the KV memory)"),
            acting(
                    "quantization",
                    Kind.TEXT,
                    MODEL,
                    "ascend: insist on a ModelSlim W8A8 checkpoint (default: as the checkpoint says)"),
            acting("seed", Kind.WHOLE, MODEL, "base of the seeds of requests without one (default 0)"),
            acting("max-logprobs", Kind.WHOLE, MODEL, "most alternatives that logprobs may ask for (default 20)"),
            acting(
                    "generation-config",
                    Kind.TEXT,
                    MODEL,
                    "auto | vllm: where sampling defaults come from: the checkpoint, or neutral values"),
            acting("chat-template", Kind.TEXT, MODEL, "file with a chat template to use instead of the checkpoint's"),
            withoutEffect("trust-remote-code", Kind.SWITCH, MODEL, "no code of a checkpoint is ever run"),
            withoutEffect("enforce-eager", Kind.SWITCH, MODEL, "there are no graphs to capture"),
            acting("host", Kind.TEXT, FRONTEND, "address to bind, and no other (default 127.0.0.1)"),
            acting("port", Kind.WHOLE, FRONTEND, "HTTP port (default 8000)"),
            acting("headless", Kind.SWITCH, FRONTEND, "no HTTP: join the head of the deployment and run ranks"),
            acting("api-server-count", Kind.WHOLE, FRONTEND, "HTTP event loops that share the port (default 1)"),
            acting("api-key", Kind.TEXTS, FRONTEND, "keys that requests under /v1 must carry"),
            acting(
                    "kernels",
                    Kind.TEXT,
                    FRONTEND,
                    "auto | scalar | vector-128 | vector-256 | vector-512 (default auto)"),
            acting("request-timeout", Kind.WHOLE, FRONTEND, "seconds that a request may take in all (default 600)"),
            acting("max-waiting", Kind.WHOLE, FRONTEND, "requests that may wait; one more gets 429 (default 1024)"),
            acting("tensor-parallel-size", Kind.WHOLE, PARALLEL, "shards of a replica (default 1)"),
            acting(
                    "data-parallel-size",
                    Kind.WHOLE,
                    PARALLEL,
                    "replicas of the whole deployment, all its nodes together (default 1)"),
            acting(
                    "data-parallel-size-local",
                    Kind.WHOLE,
                    PARALLEL,
                    "replicas that this process runs (default: all); 0: a head without ranks"),
            acting(
                    "data-parallel-start-rank",
                    Kind.WHOLE,
                    PARALLEL,
                    "global index of this process's first replica (default 0)"),
            acting(
                    "data-parallel-rank",
                    Kind.WHOLE,
                    PARALLEL,
                    "the one replica that this process runs, when somebody else balances"),
            acting("data-parallel-address", Kind.TEXT, PARALLEL, "address of the head (default 127.0.0.1)"),
            acting("data-parallel-rpc-port", Kind.WHOLE, PARALLEL, "port on which nodes join the head (default 29550)"),
            acting(
                    "data-parallel-hybrid-lb",
                    Kind.SWITCH,
                    PARALLEL,
                    "each node balances over its own replicas (default off)"),
            acting(
                    "data-parallel-external-lb",
                    Kind.SWITCH,
                    PARALLEL,
                    "one replica a process; somebody else balances (default off)"),
            acting(
                    "enable-expert-parallel",
                    Kind.SWITCH,
                    PARALLEL,
                    "spread whole experts over all ranks instead of cutting each (default off)"),
            acting(
                    "join-timeout",
                    Kind.WHOLE,
                    PARALLEL,
                    "seconds that head and headless nodes wait for each other (default 300)"),
            withoutEffect("distributed-executor-backend", Kind.TEXT, PARALLEL, "ranks are threads of this process"),
            acting(
                    "kv-cache-memory-bytes",
                    Kind.WHOLE,
                    CACHE,
                    "bytes of KV memory; else VLLM_CPU_KVCACHE_SPACE (GiB), else --gpu-memory-utilization of 2 GiB"),
            acting(
                    "gpu-memory-utilization",
                    Kind.NUMBER,
                    CACHE,
                    "fraction of a 2 GiB budget that becomes KV memory (default 0.9)"),
            acting("kv-cache-dtype", Kind.TEXT, CACHE, "auto | bfloat16 | float16 | float32: auto follows --dtype"),
            acting("block-size", Kind.WHOLE, CACHE, "tokens a KV block (default 16)"),
            acting("enable-prefix-caching", Kind.SWITCH, CACHE, "keep the blocks of finished prompts (default on)"),
            acting("max-num-seqs", Kind.WHOLE, SCHEDULER, "sequences running at once (default 128)"),
            acting(
                    "max-num-batched-tokens",
                    Kind.WHOLE,
                    SCHEDULER,
                    "rows of one step, at least --max-num-seqs (default 512; without chunked prefill at least --max-model-len)"),
            acting(
                    "enable-chunked-prefill",
                    Kind.SWITCH,
                    SCHEDULER,
                    "cut long prompts over several steps (default on)"),
            acting(
                    "kv-transfer-config",
                    Kind.JSON,
                    TRANSFER,
                    "this node's part in prefill/decode disaggregation, as JSON or as --kv-transfer-config.KEY VALUE"));

    private FlagTable() {}

    private static Map<String, Flag> table(Flag... flags) {
        var table = new LinkedHashMap<String, Flag>();
        for (Flag flag : flags) {
            table.put(flag.name(), flag);
        }
        return table;
    }

    public static Optional<Flag> find(String name) {
        return Optional.ofNullable(FLAGS.get(name));
    }

    /** All flags in the order of the help. */
    public static List<Flag> all() {
        return List.copyOf(FLAGS.values());
    }

    /** The known name that differs least from an unknown one. */
    public static String nearest(String name) {
        return Nearest.of(name, FLAGS.keySet());
    }

    /** The help text, grouped as vLLM's. */
    public static String help() {
        var text = new StringBuilder("usage: tandem serve CHECKPOINT [flags]\n");
        String group = "";
        for (Flag flag : FLAGS.values()) {
            if (!flag.group().equals(group)) {
                group = flag.group();
                text.append('\n').append(group).append(":\n");
            }
            String name = flag.kind() == Kind.SWITCH ? "--[no-]" + flag.name() : "--" + flag.name();
            text.append(String.format("  %-34s %s%n", name, flag.help()));
        }
        return text.toString();
    }
}
