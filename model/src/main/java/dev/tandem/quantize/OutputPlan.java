package dev.tandem.quantize;

import dev.tandem.checkpoint.Quantization;
import dev.tandem.checkpoint.Quantization.Scheme;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Which tensors go into which file, before the first of them is computed: a pure function of the tensors that are there.
 *
 * @param shards the files, in order
 */
record OutputPlan(List<ShardPlan> shards) {
    static final String DESCRIPTION = "quant_model_description.json";
    static final String INDEX = "quant_model_weights.safetensors.index.json";
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final String STEM = "quant_model_weights";

    OutputPlan {
        shards = List.copyOf(shards);
    }

    /**
     * Plans the output.
     *
     * @param tensors those of the input, in the order in which they will be written
     * @param scaleType type of the scales
     * @param shardBytes data of one file at most, unless a single weight is larger
     */
    static OutputPlan of(SequencedMap<String, Tensor> tensors, DType scaleType, long shardBytes) {
        var groups = new ArrayList<List<OutputTensor>>();
        List<OutputTensor> current = new ArrayList<>();
        long bytes = 0;
        for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
            List<OutputTensor> written = written(entry.getKey(), entry.getValue(), scaleType);
            long more = written.stream().mapToLong(OutputTensor::bytes).sum();
            if (!current.isEmpty() && bytes + more > shardBytes) {
                groups.add(current);
                current = new ArrayList<>();
                bytes = 0;
            }
            current.addAll(written);
            bytes += more;
        }
        groups.add(current);
        var shards = new ArrayList<ShardPlan>();
        for (int i = 0; i < groups.size(); i++) {
            shards.add(ShardPlan.of(fileName(i, groups.size()), groups.get(i)));
        }
        return new OutputPlan(shards);
    }

    private static String fileName(int index, int count) {
        return count == 1 ? STEM + ".safetensors" : "%s-%05d-of-%05d.safetensors".formatted(STEM, index + 1, count);
    }

    /** A projection as int8 with a scale and an offset of zero for each output, everything else as it is. */
    private static List<OutputTensor> written(String name, Tensor tensor, DType scaleType) {
        if (!Quantization.isProjection(name)) {
            return List.of(new OutputTensor(name, tensor.dtype(), tensor.shape()));
        }
        List<Integer> column = List.of(tensor.rows(), 1);
        return List.of(
                new OutputTensor(name, DType.I8, tensor.shape()),
                new OutputTensor(Quantization.beside(name, "weight_scale"), scaleType, column),
                new OutputTensor(Quantization.beside(name, "weight_offset"), scaleType, column));
    }

    /** Bytes of all files with weights together. */
    long bytes() {
        return shards.stream().mapToLong(ShardPlan::bytes).sum();
    }

    /** {@code quant_model_description.json}. */
    String description() {
        ObjectNode description = JSON.createObjectNode();
        description.put("model_quant_type", Scheme.W8A8_DYNAMIC.name()).put("version", "1.0.0");
        schemes().forEach(description::put);
        return description.toPrettyString() + "\n";
    }

    private SortedMap<String, String> schemes() {
        var schemes = new TreeMap<String, String>();
        for (ShardPlan shard : shards) {
            shard.places().keySet().forEach(name -> {
                boolean isQuantised = Quantization.isProjection(name)
                        || name.endsWith(".weight_scale")
                        || name.endsWith(".weight_offset");
                schemes.put(name, (isQuantised ? Scheme.W8A8_DYNAMIC : Scheme.FLOAT).name());
            });
        }
        return schemes;
    }

    /** The index of several files. */
    String index() {
        ObjectNode index = JSON.createObjectNode();
        long total = shards.stream().mapToLong(ShardPlan::dataBytes).sum();
        index.putObject("metadata").put("total_size", total);
        var files = new TreeMap<String, String>();
        shards.forEach(shard -> shard.places().keySet().forEach(name -> files.put(name, shard.file())));
        ObjectNode map = index.putObject("weight_map");
        files.forEach(map::put);
        return index.toPrettyString() + "\n";
    }
}
