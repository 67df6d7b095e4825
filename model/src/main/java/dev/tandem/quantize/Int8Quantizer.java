package dev.tandem.quantize;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.CheckpointException;
import dev.tandem.checkpoint.GgufCheckpoint;
import dev.tandem.checkpoint.Quantization;
import dev.tandem.checkpoint.SafetensorsCheckpoint;
import dev.tandem.checkpoint.WeightShapes;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.Tensor;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;

/**
 * Makes a ModelSlim folder of scheme W8A8_DYNAMIC out of a Hugging Face folder with float weights: every projection of attention and
 * feed-forward becomes int8 with a scale per output; embeddings, norms, routers and the head stay as they are, and so do configuration and
 * tokenizer. Weights are read through the mapping and written row by row, so memory does not grow with the model.
 */
public final class Int8Quantizer {
    /** Files that hold weights, of any program, and so are not copied. */
    private static final List<String> WEIGHT_FILES = List.of(
            ".safetensors",
            ".safetensors.index.json",
            ".bin",
            ".bin.index.json",
            ".pt",
            ".pth",
            ".gguf",
            ".h5",
            ".onnx",
            ".msgpack");

    private final Options options;
    private final Kernels kernels;
    private final Consumer<QuantizedLayer> progress;

    /**
     * What to make.
     *
     * @param in Hugging Face folder
     * @param out folder that does not exist yet
     * @param scaleType F32, or BF16 as older exporters have it
     * @param shardBytes data of one file at most
     */
    public record Options(Path in, Path out, DType scaleType, long shardBytes) {
        /** @throws IllegalArgumentException for another type of scales, or files without room */
        public Options {
            if ((scaleType != DType.F32 && scaleType != DType.BF16) || shardBytes < 1) {
                throw new IllegalArgumentException("scales " + scaleType + ", files of " + shardBytes + " bytes");
            }
        }
    }

    /**
     * What was made.
     *
     * @param weights projections that are int8 now
     * @param error of all of them together
     * @param bytesBefore of the files with weights
     * @param bytesAfter the same of the new folder
     * @param copied files that were taken over, by name
     */
    public record Result(int weights, WeightError error, long bytesBefore, long bytesAfter, List<String> copied) {}

    /**
     * @param kernels that widen the weights
     * @param progress told of each layer when it is finished
     */
    public Int8Quantizer(Options options, Kernels kernels, Consumer<QuantizedLayer> progress) {
        this.options = options;
        this.kernels = kernels;
        this.progress = progress;
    }

    /**
     * Does it all; on any failure nothing is left at {@code out}.
     *
     * @throws CheckpointException when the input cannot be read, is not a float folder, or has weights that are not finite
     * @throws IOException when the output exists or cannot be written
     */
    public Result run() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(options.in)) {
            requireFloatFolder(checkpoint);
            SequencedMap<String, Tensor> tensors = inModelOrder(checkpoint);
            OutputPlan plan = OutputPlan.of(tensors, options.scaleType, options.shardBytes);
            List<Path> copied = otherFiles();
            try (OutputFolder folder = OutputFolder.create(options.out, plan.bytes())) {
                for (Path file : copied) {
                    folder.copy(file);
                }
                folder.write(OutputPlan.DESCRIPTION, plan.description());
                if (plan.shards().size() > 1) {
                    folder.write(OutputPlan.INDEX, plan.index());
                }
                var weights = new Weights(checkpoint.config().layers());
                writeShards(folder, plan, tensors, weights);
                folder.complete();
                return new Result(
                        weights.count,
                        weights.all.error(),
                        checkpoint.files().values().stream()
                                .mapToLong(Long::longValue)
                                .sum(),
                        plan.bytes(),
                        copied.stream()
                                .map(file -> file.getFileName().toString())
                                .toList());
            }
        }
    }

    /** Folders of earlier runs for the same place that were killed before they were finished. */
    public static List<Path> leftBehind(Path out) throws IOException {
        return OutputFolder.leftBehind(out);
    }

    private void requireFloatFolder(Checkpoint checkpoint) {
        String found = switch (checkpoint) {
            case GgufCheckpoint gguf -> "a GGUF file";
            case SafetensorsCheckpoint folder ->
                folder.quantization()
                        .map(quantised -> "weights that are quantised already, " + quantised.modelType())
                        .orElse("");
        };
        if (!found.isEmpty()) {
            throw new CheckpointException(
                    options.in + ": checkpoint: expected a Hugging Face folder with float weights, found " + found);
        }
    }

    /** Layer after layer, so that each can be reported when it is finished. */
    private static SequencedMap<String, Tensor> inModelOrder(Checkpoint checkpoint) {
        var tensors = new LinkedHashMap<String, Tensor>();
        WeightShapes.forEach(checkpoint.config(), false, (name, shape) -> {
            Tensor tensor = checkpoint.tensors().get(name);
            if (tensor == null) {
                throw new IllegalStateException("an open checkpoint without " + name);
            }
            tensors.put(name, tensor);
        });
        return tensors;
    }

    private List<Path> otherFiles() throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(options.in)) {
            for (Path file : found) {
                String name = file.getFileName().toString();
                boolean isWeights = WEIGHT_FILES.stream().anyMatch(name::endsWith);
                if (Files.isRegularFile(file) && !isWeights && !name.startsWith(".")) {
                    files.add(file);
                }
            }
        }
        files.sort(null);
        return files;
    }

    private void writeShards(
            OutputFolder folder, OutputPlan plan, SequencedMap<String, Tensor> tensors, Weights weights)
            throws IOException {
        var names = new ArrayList<>(tensors.keySet());
        int next = 0;
        for (ShardPlan shard : plan.shards()) {
            try (var writer = new ShardWriter(folder, shard, kernels)) {
                while (next < names.size() && shard.places().containsKey(names.get(next))) {
                    String name = names.get(next++);
                    write(writer, name, tensors, weights);
                }
            }
        }
        weights.finishLayer(progress);
    }

    private void write(ShardWriter writer, String name, Map<String, Tensor> tensors, Weights weights)
            throws IOException {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalStateException("no tensor " + name);
        }
        if (Quantization.isProjection(name)) {
            writer.quantise(name, tensor, options.scaleType, weights.of(name, progress));
        } else {
            writer.copy(name, tensor);
        }
    }

    /** Errors of the layer that is being written, and of all. */
    private static final class Weights {
        private final int layers;
        private final ErrorSum all = new ErrorSum();
        private ErrorSum attention = new ErrorSum();
        private ErrorSum feedForward = new ErrorSum();
        private int layer;
        private int count;

        Weights(int layers) {
            this.layers = layers;
        }

        /** Where errors of that weight go; the layer before is finished when a weight of the next one comes. */
        ErrorSum of(String name, Consumer<QuantizedLayer> progress) {
            count++;
            int of = Integer.parseInt(name.split("\\.", -1)[2]);
            if (of != layer) {
                finishLayer(progress);
                layer = of;
            }
            return name.contains(".self_attn.") ? attention : feedForward;
        }

        void finishLayer(Consumer<QuantizedLayer> progress) {
            progress.accept(new QuantizedLayer(layer, layers, attention.error(), feedForward.error()));
            all.add(attention);
            all.add(feedForward);
            attention = new ErrorSum();
            feedForward = new ErrorSum();
        }
    }
}
