package dev.tandem.ops.inspect;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.GgufCheckpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Indexer;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
import dev.tandem.checkpoint.Quantization;
import dev.tandem.checkpoint.Quantization.Scheme;
import dev.tandem.checkpoint.SafetensorsCheckpoint;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What {@code tandem inspect} says about a checkpoint: a value that outlives it.
 *
 * @param format {@code safetensors} or {@code gguf}
 * @param config the model's configuration
 * @param quantization how linear weights were quantised, where they were
 * @param files mapped files with their bytes
 * @param tensors all tensors, by name
 */
public record Inspection(
        String format,
        ModelConfig config,
        Optional<Quantization> quantization,
        Map<Path, Long> files,
        List<Entry> tensors) {
    /**
     * @param name Hugging Face's name
     * @param dtype stored type
     * @param shape extents, slowest first
     * @param bytes bytes in the file
     */
    public record Entry(String name, DType dtype, List<Integer> shape, long bytes) {
        /** Values that the tensor holds. */
        public long values() {
            return bytes / dtype.blockBytes() * dtype.blockValues();
        }
    }

    /**
     * Tensors of one type together.
     *
     * @param tensors how many
     * @param values values that they hold
     * @param bytes bytes that they take
     */
    public record Total(int tensors, long values, long bytes) {
        private Total plus(Entry entry) {
            return new Total(tensors + 1, values + entry.values(), bytes + entry.bytes());
        }
    }

    public Inspection {
        files = Map.copyOf(files);
        tensors = List.copyOf(tensors);
    }

    /** Looks at an open checkpoint; reads no weights. */
    public static Inspection of(Checkpoint checkpoint) {
        String format = switch (checkpoint) {
            case SafetensorsCheckpoint folder -> "safetensors";
            case GgufCheckpoint file -> "gguf";
        };
        var entries = new ArrayList<Entry>();
        checkpoint.tensors().forEach((name, tensor) -> entries.add(entry(name, tensor)));
        return new Inspection(format, checkpoint.config(), checkpoint.quantization(), checkpoint.files(), entries);
    }

    private static Entry entry(String name, Tensor tensor) {
        return new Entry(name, tensor.dtype(), tensor.shape(), tensor.data().byteSize());
    }

    /**
     * Values of all weights, without the rotary factors of a GGUF file, which follow from its rope scaling, and without scales and offsets
     * of quantised weights.
     */
    public long parameters() {
        Set<String> beside = quantization.map(Quantization::namesBeside).orElse(Set.of());
        return tensors.stream()
                .filter(entry -> !entry.name().equals(Checkpoint.ROTARY_FACTORS) && !beside.contains(entry.name()))
                .mapToLong(Entry::values)
                .sum();
    }

    /** Totals of the types that occur. */
    public Map<DType, Total> totals() {
        var totals = new EnumMap<DType, Total>(DType.class);
        for (Entry entry : tensors) {
            totals.put(
                    entry.dtype(),
                    totals.getOrDefault(entry.dtype(), new Total(0, 0, 0)).plus(entry));
        }
        return totals;
    }

    /** Bytes of keys and values that one token takes in all layers together, in a cache of this type. */
    public long kvBytesPerToken(DType kvDtype) {
        long values = switch (config.attention()) {
            case GroupedQuery grouped -> 2L * grouped.kvHeads() * grouped.headDim();
            case Latent latent ->
                latent.sizes().cached() + latent.indexer().map(Indexer::headDim).orElse(0);
        };
        return config.layers() * kvDtype.bytes(values);
    }

    /** What is printed for people, line by line. */
    public List<String> lines() {
        var lines = new ArrayList<String>();
        modelFacts().forEach((fact, value) -> lines.add("%-22s %s".formatted(fact, value)));
        lines.add("");
        totals().forEach((dtype, total) -> lines.add("%-22s %s tensors, %s values, %s bytes"
                .formatted(dtype, grouped(total.tensors), grouped(total.values), grouped(total.bytes))));
        lines.add("");
        sortedFiles()
                .forEach((file, bytes) -> lines.add("%-22s %s bytes".formatted(file.getFileName(), grouped(bytes))));
        lines.add("");
        int width =
                tensors.stream().mapToInt(entry -> entry.name().length()).max().orElse(0);
        for (Entry entry : tensors) {
            lines.add(String.format(
                    Locale.ROOT,
                    "%-" + Math.max(width, 1) + "s  %-5s %-20s %14s bytes%s",
                    entry.name,
                    entry.dtype,
                    entry.shape,
                    grouped(entry.bytes),
                    scheme(entry).map(scheme -> "  " + scheme).orElse("")));
        }
        return List.copyOf(lines);
    }

    private Optional<Scheme> scheme(Entry entry) {
        return quantization.flatMap(
                quantised -> Optional.ofNullable(quantised.schemes().get(entry.name)));
    }

    private static String counted(Quantization quantization) {
        return quantization.counts().entrySet().stream()
                .map(count -> grouped(count.getValue()) + " " + count.getKey())
                .collect(Collectors.joining(", "));
    }

    private Map<String, String> modelFacts() {
        var facts = new LinkedHashMap<String, String>();
        facts.put("architecture", config.architecture() + " (" + format + ")");
        facts.put("parameters", grouped(parameters()));
        facts.put("main type", config.dtype().toString());
        quantization.ifPresent(quantised -> facts.put(
                "quantised",
                quantised.method() + " " + quantised.modelType() + ": " + counted(quantised) + " linear weights"));
        facts.put("layers", grouped(config.layers()));
        facts.put("width", grouped(config.hiddenSize()));
        if (config.predictionLayers() > 0) {
            facts.put("prediction layers", grouped(config.predictionLayers()) + ", not used");
        }
        facts.put("attention", attention());
        facts.put("rope", rope());
        facts.put("feed-forward", feedForward());
        facts.put(
                "vocabulary",
                grouped(config.vocabularySize()) + (config.tiesEmbeddings() ? ", head tied to the embedding" : ""));
        facts.put("longest context", grouped(config.maxPositions()));
        facts.put("ends a text", config.tokens().endOfText().toString());
        facts.put(
                "KV bytes per token",
                grouped(kvBytesPerToken(DType.BF16)) + " (bf16), " + grouped(kvBytesPerToken(DType.F32)) + " (f32)");
        return facts;
    }

    private String attention() {
        return switch (config.attention()) {
            case GroupedQuery grouped ->
                grouped.heads() + " heads, " + grouped.kvHeads() + " key/value heads, of " + grouped.headDim();
            case Latent latent ->
                latent.heads() + " heads over a latent of " + latent.sizes().latent() + " and a rotary key of "
                        + latent.sizes().rotary()
                        + latent.indexer()
                                .map(indexer -> ", at most " + grouped(indexer.topK()) + " positions chosen by "
                                        + indexer.heads() + " index heads of " + indexer.headDim())
                                .orElse("");
        };
    }

    private String rope() {
        ModelConfig.Rope rope = config.attention().rope();
        boolean hasFactors = tensors.stream().anyMatch(entry -> entry.name().equals(Checkpoint.ROTARY_FACTORS));
        String scaling = rope.scaling()
                .map(some -> switch (some) {
                    case Llama3Scaling llama3 -> ", llama3 scaling by " + llama3.factor();
                    case YarnScaling yarn -> ", yarn scaling by " + yarn.factor();
                })
                .orElse(hasFactors ? ", scaling factors in the file" : "");
        return "base " + rope.theta() + scaling;
    }

    private String feedForward() {
        Optional<ModelConfig.Experts> experts = config.feedForward().experts();
        return experts.map(Inspection::experts)
                .orElse(grouped(config.feedForward().intermediateSize()));
    }

    private static String experts(ModelConfig.Experts experts) {
        String routed = experts.count() + " experts of " + grouped(experts.intermediateSize()) + ", " + experts.active()
                + " per token";
        String shared = experts.dense().sharedSize() > 0
                ? ", a shared one of " + grouped(experts.dense().sharedSize())
                : "";
        String dense =
                experts.dense().layers() > 0 ? "; the first " + experts.dense().layers() + " layers dense" : "";
        return routed + shared + dense;
    }

    /** The description for programs: texts, numbers, lists and maps only, in a fixed order. */
    public Map<String, Object> json() {
        var json = new LinkedHashMap<String, Object>();
        json.put("format", format);
        json.put("architecture", config.architecture().name().toLowerCase(Locale.ROOT));
        json.put("parameters", parameters());
        json.put("dtype", name(config.dtype()));
        quantization.ifPresent(quantised -> json.put("quantization", json(quantised)));
        json.put("layers", config.layers());
        json.put("hidden_size", config.hiddenSize());
        putAttention(json);
        json.put("rope_theta", config.attention().rope().theta());
        json.put("intermediate_size", config.feedForward().intermediateSize());
        config.feedForward().experts().ifPresent(experts -> {
            json.put("experts", experts.count());
            json.put("experts_per_token", experts.active());
            json.put("expert_intermediate_size", experts.intermediateSize());
        });
        json.put("vocabulary_size", config.vocabularySize());
        json.put("max_positions", config.maxPositions());
        json.put("ties_embeddings", config.tiesEmbeddings());
        json.put("end_of_text", config.tokens().endOfText());
        json.put("kv_bytes_per_token", Map.of("bf16", kvBytesPerToken(DType.BF16), "f32", kvBytesPerToken(DType.F32)));
        var totals = new LinkedHashMap<String, Object>();
        totals().forEach((dtype, total) -> totals.put(
                name(dtype), Map.of("tensors", total.tensors, "values", total.values, "bytes", total.bytes)));
        json.put("totals", totals);
        var files = new LinkedHashMap<String, Object>();
        sortedFiles().forEach((file, bytes) -> files.put(file.toString(), bytes));
        json.put("files", files);
        json.put("tensors", tensors.stream().map(this::json).toList());
        return json;
    }

    private void putAttention(Map<String, Object> json) {
        json.put("heads", config.attention().heads());
        json.put("kv_heads", config.attention().kvHeads());
        switch (config.attention()) {
            case GroupedQuery grouped -> json.put("head_dim", grouped.headDim());
            case Latent latent -> {
                json.put("kv_latent_size", latent.sizes().latent());
                json.put("rotary_key_size", latent.sizes().rotary());
                latent.indexer().ifPresent(indexer -> json.put("index_top_k", indexer.topK()));
            }
        }
    }

    private static Map<String, Object> json(Quantization quantization) {
        var counts = new LinkedHashMap<String, Object>();
        quantization.counts().forEach((scheme, count) -> counts.put(scheme.name(), count));
        var json = new LinkedHashMap<String, Object>();
        json.put("method", quantization.method());
        json.put("model_type", quantization.modelType());
        json.put("linear_weights", counts);
        return json;
    }

    private Map<String, Object> json(Entry entry) {
        var json = new LinkedHashMap<String, Object>();
        json.put("name", entry.name);
        json.put("dtype", name(entry.dtype));
        json.put("shape", entry.shape);
        json.put("bytes", entry.bytes);
        scheme(entry).ifPresent(scheme -> json.put("scheme", scheme.name()));
        return json;
    }

    private Map<Path, Long> sortedFiles() {
        return new TreeMap<>(files);
    }

    private static String name(DType dtype) {
        return dtype.name().toLowerCase(Locale.ROOT);
    }

    private static String grouped(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }
}
