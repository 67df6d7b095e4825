package dev.tandem.checkpoint;

import dev.tandem.kernel.Tensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;

/** To be written. */
public final class GgufCheckpoint implements Checkpoint {
    static GgufCheckpoint open(Path path) {
        throw new CheckpointException(path + " cannot be read yet");
    }

    @Override
    public ModelConfig config() {
        throw new IllegalStateException("contract only");
    }

    @Override
    public SortedMap<String, Tensor> tensors() {
        throw new IllegalStateException("contract only");
    }

    @Override
    public Map<Path, Long> files() {
        throw new IllegalStateException("contract only");
    }

    @Override
    public boolean permutesRotaryRows() {
        return config().architecture() == ModelConfig.Architecture.LLAMA;
    }

    static Path onlyFileIn(Path folder) {
        throw new CheckpointException(folder + " cannot be read yet");
    }

    @Override
    public void close() {}
}
