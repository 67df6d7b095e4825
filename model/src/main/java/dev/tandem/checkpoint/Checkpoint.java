package dev.tandem.checkpoint;

import dev.tandem.kernel.Tensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;

/**
 * Named tensors and a configuration, mapped from files. Names are Hugging Face's ({@code model.layers.0.self_attn.q_proj.weight}),
 * also for GGUF files, whose experts stay stacked under {@code model.layers.0.mlp.experts.gate_proj.weight} [experts, out, in] and whose
 * rotary factors appear as {@code rope_freqs.weight}.
 */
public sealed interface Checkpoint extends AutoCloseable permits SafetensorsCheckpoint, GgufCheckpoint {
    /**
     * Opens a Hugging Face folder, a {@code .safetensors} folder with index, or a {@code .gguf} file.
     *
     * @throws CheckpointException when the files are damaged, hostile or of an unknown kind; it names file, tensor, expected and found
     */
    static Checkpoint open(Path path) {
        return path.toString().endsWith(".gguf") ? GgufCheckpoint.open(path) : SafetensorsCheckpoint.open(path);
    }

    ModelConfig config();

    /** All tensors by name. */
    SortedMap<String, Tensor> tensors();

    /** Files that were mapped, with their sizes in bytes. */
    Map<Path, Long> files();

    @Override
    void close();
}
