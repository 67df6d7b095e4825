package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.kernel.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A GGUF file of version 3, little-endian, in one part: architectures llama, qwen3 and qwen3moe, types F32, F16, BF16, Q8_0, Q4_0 and
 * Q4_1. Embeddings are tied where it has no {@code output.weight}. {@link ModelConfig#dtype()}, which {@code auto} follows for the
 * cache, is never a quantised type: F32 when all matrices are, F16 when all are F16 or F32, and otherwise BF16.
 */
public final class GgufCheckpoint implements Checkpoint {
    private final Arena arena;
    private final MappedFile file;
    private final Map<String, Object> metadata;
    private final ModelConfig config;
    private final SortedMap<String, Tensor> tensors;

    private GgufCheckpoint(
            Arena arena,
            MappedFile file,
            Map<String, Object> metadata,
            ModelConfig config,
            SortedMap<String, Tensor> tensors) {
        this.arena = arena;
        this.file = file;
        this.metadata = metadata;
        this.config = config;
        this.tensors = tensors;
    }

    static GgufCheckpoint open(Path path) {
        // any thread may read weights, so the mapping is shared; it is closed once, at the end of the process's use
        Arena arena = Arena.ofShared();
        boolean opened = false;
        try {
            MappedFile file = MappedFile.map(path, arena);
            GgufHeader header = GgufHeader.read(file);
            SortedMap<String, Tensor> found = translated(file, header);
            ModelConfig config = GgufConfig.read(path, header.metadata(), found);
            boolean mayScaleRotary = config.architecture() == Architecture.LLAMA;
            var tensors = TensorCheck.checkStacked(path, config, found, mayScaleRotary);
            var checkpoint = new GgufCheckpoint(arena, file, header.metadata(), config, tensors);
            opened = true;
            return checkpoint;
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    private static SortedMap<String, Tensor> translated(MappedFile file, GgufHeader header) {
        MemorySegment data = header.data(file);
        var tensors = new TreeMap<String, Tensor>();
        for (TensorSpan span : header.spans()) {
            String name = GgufNames.huggingFace(span.name())
                    .orElseThrow(() -> CheckpointException.refuse(
                            file.path(),
                            "tensor " + span.name(),
                            "no tensor that the model does not read",
                            span.dtype() + " " + span.shape()));
            tensors.put(name, span.in(data));
        }
        return tensors;
    }

    /** The one GGUF file of a folder that is not a Hugging Face folder. */
    static Path onlyFileIn(Path folder) {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "*.gguf")) {
            found.forEach(files::add);
        } catch (IOException e) {
            throw new CheckpointException(folder + ": cannot be listed: " + e.getMessage(), e);
        }
        if (files.size() != 1) {
            throw CheckpointException.refuse(
                    folder, "folder", "config.json or exactly one .gguf file", files.size() + " .gguf files");
        }
        return files.getFirst();
    }

    /**
     * All keys of the file with plain values: String, Long (every integer type), Double (both float types), Boolean, or a List of one
     * of these. The keys {@code tokenizer.…} describe the tokenizer and chat template. Unmodifiable, in the file's order.
     */
    public Map<String, Object> metadata() {
        return metadata;
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public SortedMap<String, Tensor> tensors() {
        return tensors;
    }

    /** Empty: blocks with scales are a stored type. */
    @Override
    public Optional<Quantization> quantization() {
        return Optional.empty();
    }

    @Override
    public Map<Path, Long> files() {
        return Map.of(file.path(), file.size());
    }

    /** True for architecture llama; Qwen's rows are in their original order. */
    @Override
    public boolean permutesRotaryRows() {
        return config.architecture() == Architecture.LLAMA;
    }

    @Override
    public void close() {
        arena.close();
    }
}
