package dev.tandem.checkpoint;

import dev.tandem.kernel.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;

/**
 * Named tensors and a configuration, mapped from files. Names are Hugging Face's ({@code model.layers.0.self_attn.q_proj.weight}),
 * also for GGUF files, whose experts stay stacked under {@code model.layers.0.mlp.experts.gate_proj.weight} [experts, out, in] and whose
 * rotary factors appear as {@code rope_freqs.weight}.
 *
 * <p>An open checkpoint is complete: every tensor that {@link WeightShapes} lists is there with its shape and a type that holds
 * weights, and nothing else but {@code rope_freqs.weight} and what belongs to {@linkplain #quantization quantised} weights is. {@code
 * lm_head.weight} is there exactly when {@link
 * ModelConfig#tiesEmbeddings()} is false. Tensors may be read from any thread until {@link #close()}; the files must not be
 * shortened meanwhile.
 */
public sealed interface Checkpoint extends AutoCloseable permits SafetensorsCheckpoint, GgufCheckpoint {
    /** Name of the rotary factors of a GGUF file: the one tensor that is not a weight, since it follows from the rope scaling. */
    String ROTARY_FACTORS = "rope_freqs.weight";

    /**
     * Opens a Hugging Face folder ({@code config.json} beside {@code model.safetensors}, or beside shards and their index), a {@code
     * .gguf} file, or a folder without {@code config.json} that holds exactly one {@code .gguf} file.
     *
     * @throws CheckpointException when the files are damaged, hostile or of an unknown kind; it names file, tensor, expected and found
     */
    static Checkpoint open(Path path) {
        if (Files.isDirectory(path)) {
            return Files.exists(path.resolve("config.json"))
                    ? SafetensorsCheckpoint.open(path)
                    : GgufCheckpoint.open(GgufCheckpoint.onlyFileIn(path));
        }
        return GgufCheckpoint.open(path);
    }

    ModelConfig config();

    /** All tensors by name. */
    SortedMap<String, Tensor> tensors();

    /**
     * How linear weights were quantised; empty for a checkpoint of plain or block types. What serve compares {@code --quantization} with.
     */
    Optional<Quantization> quantization();

    /** Files that were mapped, with their sizes in bytes. */
    Map<Path, Long> files();

    /**
     * Whether the rows of every {@code q_proj} and {@code k_proj} are reordered within each head, so that the rotary embedding turns
     * neighbouring pairs. True for GGUF files of architecture {@code llama} only.
     *
     * <p>With d values per head, stored row 2i of a head is the original row i, and stored row 2i + 1 the original row i + d/2: the order
     * [0, d/2, 1, d/2 + 1, …]. A model may either rotate pairs (2i, 2i + 1) instead of (i, i + d/2), with the same angle i for both (the
     * queries and keys are then permuted alike, and scores are the same), or put the results of the projection back in order before it
     * rotates halves. Norms per head do not occur with it. Keys in a cache are exchanged between nodes in one order, so the second is
     * right where a GGUF node and a safetensors node share caches.
     */
    boolean permutesRotaryRows();

    /** Unmaps the files; tensors cannot be read afterwards. */
    @Override
    void close();
}
