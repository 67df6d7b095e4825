package dev.tandem.node;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.GgufCheckpoint;
import dev.tandem.checkpoint.Quantization;
import dev.tandem.checkpoint.SafetensorsCheckpoint;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.node.http.ServedModel;
import dev.tandem.text.Tokenizer;
import dev.tandem.text.template.ChatTemplate;
import dev.tandem.text.template.TemplateException;
import dev.tandem.trust.BoundedFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Everything that this process shares of a checkpoint: the mapping, the choice of kernels, and the text side. Opened at start, closed in
 * reverse order.
 */
final class LoadedModel implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LoadedModel.class);
    private static final int MAX_TEMPLATE_BYTES = 1 << 20;

    private final Checkpoint checkpoint;
    private final KernelSelection kernels;
    private final Tokenizer tokenizer;
    private final ServeFlags flags;
    private final ServedModel.Conversations conversations;

    private LoadedModel(ServeFlags flags, Checkpoint checkpoint) {
        this.flags = flags;
        this.checkpoint = checkpoint;
        this.tokenizer = openTokenizer(flags.model().checkpoint(), checkpoint);
        this.kernels = flags.model().numerics().kernels().equals("auto")
                ? KernelSelection.best()
                : KernelSelection.named(flags.model().numerics().kernels());
        LOG.info("kernels={} reason=\"{}\"", kernels.name(), kernels.reason());
        this.conversations = conversations(flags, tokenizer);
    }

    static LoadedModel open(NodeConfig config) {
        Path path = config.flags().model().checkpoint();
        if (!Files.exists(path)) {
            throw new FlagException("checkpoint " + path + " does not exist");
        }
        Checkpoint checkpoint = Checkpoint.open(path);
        try {
            requireQuantization(config.flags(), checkpoint);
            return new LoadedModel(config.flags(), checkpoint);
        } catch (IllegalArgumentException e) {
            checkpoint.close();
            throw new NodeException(String.valueOf(e.getMessage()), e);
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    /** The flag insists, the checkpoint decides: without the flag it is served as it is. */
    private static void requireQuantization(ServeFlags flags, Checkpoint checkpoint) {
        String found = checkpoint.quantization().map(Quantization::method).orElse("none");
        flags.model().numerics().quantization().ifPresent(asked -> {
            String expected = asked.name().toLowerCase(Locale.ROOT);
            if (!found.equals(expected)) {
                throw new FlagException("--quantization " + expected + ": checkpoint "
                        + flags.model().checkpoint() + " has no quant_model_description.json (found: " + found
                        + "); leave the flag out, or make such a checkpoint with tandem quantize");
            }
        });
        LOG.info(
                "quantization={} linear-weights={}",
                found,
                checkpoint.quantization().map(Quantization::counts).orElse(Map.of()));
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
                return ChatTemplate.parse(
                        BoundedFile.text(file, MAX_TEMPLATE_BYTES, StandardCharsets.UTF_8), tokenizer.specialTokens());
            } catch (IOException e) {
                throw new NodeException("--chat-template " + file + " cannot be read: " + e.getMessage(), e);
            } catch (TemplateException e) {
                throw new NodeException("--chat-template " + file + ": " + e.getMessage(), e);
            }
        });
    }

    Checkpoint checkpoint() {
        return checkpoint;
    }

    KernelSelection kernels() {
        return kernels;
    }

    /** The model as requests see it. */
    ServedModel served(int maxModelLength) {
        ServeFlags.Generation generation = flags.model().generation();
        return new ServedModel(
                flags.model().names(),
                checkpoint.config(),
                tokenizer,
                conversations,
                new ServedModel.Limits(
                        maxModelLength,
                        generation.maxLogprobs(),
                        generation.usesCheckpointDefaults(),
                        generation.seed()));
    }

    /** Closes the text side and the mapping, after all ranks. */
    @Override
    public void close() {
        tokenizer.close();
        checkpoint.close();
    }
}
