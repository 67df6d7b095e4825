package dev.tandem.node;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.GgufCheckpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.SafetensorsCheckpoint;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelSelection;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.kv.KvSizing;
import dev.tandem.layer.RankContext;
import dev.tandem.model.Model;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.text.ChatTemplate;
import dev.tandem.text.TemplateException;
import dev.tandem.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Everything that is loaded from a checkpoint for the one rank of this node: model, KV memory and text. Opened at start, closed in
 * reverse order.
 */
final class LoadedModel implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LoadedModel.class);

    private final Checkpoint checkpoint;
    private final KernelSelection kernels;
    private final KernelThreads threads;
    private final Model model;
    private final KvPool pool;
    private final Tokenizer tokenizer;
    private final ServedModel served;

    private LoadedModel(NodeConfig config, Checkpoint checkpoint) {
        ServeFlags flags = config.flags();
        this.checkpoint = checkpoint;
        this.tokenizer = openTokenizer(flags.model().checkpoint(), checkpoint);
        this.kernels = flags.model().numerics().kernels().equals("auto")
                ? KernelSelection.best()
                : KernelSelection.named(flags.model().numerics().kernels());
        LOG.info("kernels={} reason=\"{}\"", kernels.kernels().name(), kernels.reason());
        this.threads = new KernelThreads(config.kernelThreads());
        DType kvDtype = kvDtype(flags.model().numerics(), checkpoint.config());
        var context = RankContext.single(kernels.kernels(), threads);
        int askedLength = modelLength(config, checkpoint.config());
        var limits = new StepLimits(
                Math.min(flags.scheduler().batchedTokens(), 512),
                flags.scheduler().sequences(),
                askedLength);
        this.model = ModelLoader.load(checkpoint, context, limits);
        KvLayout layout = model.kvLayout(flags.cache().blockSize(), kvDtype);
        int length = fittingLength(config, layout, askedLength);
        this.pool = new KvPool(layout, blockCount(config, layout, length));
        this.served = new ServedModel(
                flags.model().names(),
                checkpoint.config(),
                tokenizer,
                conversations(flags, tokenizer),
                new ServedModel.Limits(
                        length,
                        flags.model().generation().maxLogprobs(),
                        flags.model().generation().usesCheckpointDefaults(),
                        flags.model().generation().seed()));
    }

    static LoadedModel open(NodeConfig config) {
        Path path = config.flags().model().checkpoint();
        if (!Files.exists(path)) {
            throw new FlagException("checkpoint " + path + " does not exist");
        }
        Checkpoint checkpoint = Checkpoint.open(path);
        try {
            return new LoadedModel(config, checkpoint);
        } catch (IllegalArgumentException e) {
            checkpoint.close();
            throw new NodeException(String.valueOf(e.getMessage()), e);
        }
    }

    private static Tokenizer openTokenizer(Path path, Checkpoint checkpoint) {
        return switch (checkpoint) {
            case SafetensorsCheckpoint folder -> Tokenizer.openFolder(path);
            case GgufCheckpoint gguf -> Tokenizer.ofGguf(gguf.metadata());
        };
    }

    /** A checkpoint's template that cannot be used costs chats only; one that was asked for must be good. */
    private static ServedModel.Conversations conversations(ServeFlags flags, Tokenizer tokenizer) {
        Optional<ChatTemplate> asked = askedTemplate(flags, tokenizer);
        if (asked.isPresent()) {
            return new ServedModel.Conversations(asked, "");
        }
        try {
            return new ServedModel.Conversations(
                    tokenizer.chatTemplate(), "this model has no chat template; start the node with --chat-template");
        } catch (TemplateException e) {
            LOG.warn("chats are refused: {}", e.getMessage());
            return new ServedModel.Conversations(
                    Optional.empty(), e.getMessage() + "; start the node with --chat-template");
        }
    }

    private static Optional<ChatTemplate> askedTemplate(ServeFlags flags, Tokenizer tokenizer) {
        return flags.model().generation().chatTemplate().map(file -> {
            try {
                return ChatTemplate.parse(Files.readString(file), tokenizer.specialTokens());
            } catch (IOException e) {
                throw new NodeException("--chat-template " + file + " cannot be read: " + e.getMessage(), e);
            } catch (TemplateException e) {
                throw new NodeException("--chat-template " + file + ": " + e.getMessage(), e);
            }
        });
    }

    /** As vLLM: {@code --kv-cache-dtype} auto follows {@code --dtype}, and auto there follows the checkpoint. */
    static DType kvDtype(ServeFlags.Numerics numerics, ModelConfig config) {
        String word = numerics.kvCacheDtype().equals("auto") ? numerics.dtype() : numerics.kvCacheDtype();
        return switch (word) {
            case "float32" -> DType.F32;
            case "bfloat16" -> DType.BF16;
            case "float16" -> DType.F16;
            default -> config.dtype();
        };
    }

    private static int modelLength(NodeConfig config, ModelConfig model) {
        Optional<Integer> asked = config.flags().model().maxModelLength();
        if (asked.isPresent()
                && asked.get() > model.maxPositions()
                && !config.environment().allowsLongModels()) {
            throw new FlagException(
                    "--max-model-len " + asked.get() + " exceeds the checkpoint's " + model.maxPositions()
                            + "; VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 allows it, and answers may become worthless");
        }
        return asked.orElse(model.maxPositions());
    }

    /** A length that was not asked for is cut to what the KV memory holds, and said. */
    private static int fittingLength(NodeConfig config, KvLayout layout, int length) {
        long tokens = config.kvMemoryBytes() / layout.blockBytes() * layout.blockSize();
        if (config.flags().model().maxModelLength().isPresent() || tokens >= length || tokens < 1) {
            return length;
        }
        LOG.info("max-model-len={} reason=\"the KV memory of {} bytes holds no more\"", tokens, config.kvMemoryBytes());
        return (int) tokens;
    }

    private static int blockCount(NodeConfig config, KvLayout layout, int length) {
        try {
            return KvSizing.blockCount(layout, config.kvMemoryBytes(), length);
        } catch (IllegalArgumentException e) {
            throw new FlagException(String.valueOf(e.getMessage()));
        }
    }

    Model model() {
        return model;
    }

    KvPool pool() {
        return pool;
    }

    ServedModel served() {
        return served;
    }

    NodeReport.Kv kvReport() {
        KvLayout layout = pool.layout();
        return new NodeReport.Kv(
                pool.blockCount(),
                layout.blockSize(),
                layout.blockBytes() * pool.blockCount(),
                layout.planes().getFirst().dtype().name());
    }

    NodeReport.Compute computeReport() {
        return new NodeReport.Compute(kernels.kernels().name(), threads.count());
    }

    /** Closes the text side, the threads and the mapping; the engine has closed model and pool. */
    @Override
    public void close() {
        tokenizer.close();
        threads.close();
        checkpoint.close();
    }
}
