package dev.tandem.checkpoint;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A Hugging Face folder: {@code config.json}, optionally {@code generation_config.json}, and {@code model.safetensors} or shards with an
 * index ({@link WeightFiles}). With ModelSlim's {@code quant_model_description.json} beside them it is a {@linkplain Quantization
 * quantised} checkpoint.
 */
public final class SafetensorsCheckpoint implements Checkpoint {
    private static final int MAX_INDEX_BYTES = 32 << 20;
    private static final Map<String, String> IGNORABLE_INDEX = Map.of("metadata", "sizes that follow from the shards");

    private final Arena arena;
    private final ModelConfig config;
    private final SortedMap<String, Tensor> tensors;
    private final Optional<Quantization> quantization;
    private final Map<Path, Long> files;

    private SafetensorsCheckpoint(
            Arena arena,
            ModelConfig config,
            SortedMap<String, Tensor> tensors,
            Optional<Quantization> quantization,
            Map<Path, Long> files) {
        this.arena = arena;
        this.config = config;
        this.tensors = tensors;
        this.quantization = quantization;
        this.files = files;
    }

    static SafetensorsCheckpoint open(Path folder) {
        // any thread may read weights, so the mapping is shared; it is closed once, at the end of the process's use
        Arena arena = Arena.ofShared();
        boolean opened = false;
        try {
            var files = new LinkedHashMap<Path, Long>();
            Optional<AscendDescription> description = AscendDescription.find(folder);
            WeightFiles weights = description.isPresent() ? WeightFiles.quantised(folder) : WeightFiles.plain(folder);
            SortedMap<String, Tensor> found = weights.isIndex()
                    ? shards(weights.file(), arena, files)
                    : tensorsOf(map(weights.file(), arena, files));
            Tensor embedding = found.get(TensorCheck.EMBEDDING);
            ModelConfig config = HuggingFaceConfig.read(
                    folder, embedding == null ? DType.BF16 : embedding.dtype(), description.isPresent());
            Optional<AscendTensors> quantised =
                    description.map(described -> new AscendTensors(folder, described, found));
            var tensors = TensorCheck.check(folder, config, found, quantised);
            var checkpoint = new SafetensorsCheckpoint(
                    arena,
                    config,
                    tensors,
                    quantised.map(AscendTensors::quantization),
                    Collections.unmodifiableMap(files));
            opened = true;
            return checkpoint;
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    private static MappedFile map(Path path, Arena arena, Map<Path, Long> files) {
        MappedFile file = MappedFile.map(path, arena);
        files.put(path, file.size());
        return file;
    }

    private static SortedMap<String, Tensor> tensorsOf(MappedFile file) {
        SafetensorsHeader header = SafetensorsHeader.read(file);
        MemorySegment data = header.data(file);
        var tensors = new TreeMap<String, Tensor>();
        header.spans().forEach(span -> tensors.put(span.name(), span.in(data)));
        return tensors;
    }

    /** Tensors of all files that the index names; each file must hold exactly the tensors that the index places there. */
    private static SortedMap<String, Tensor> shards(Path index, Arena arena, Map<Path, Long> files) {
        SortedMap<String, String> places = places(index);
        var tensors = new TreeMap<String, Tensor>();
        for (String shard : new TreeSet<>(places.values())) {
            MappedFile file = map(shardPath(index, shard), arena, files);
            tensorsOf(file).forEach((name, tensor) -> {
                if (!shard.equals(places.get(name))) {
                    throw CheckpointException.refuse(
                            file.path(),
                            "tensor " + name,
                            "the place that the index names, " + places.getOrDefault(name, "none"),
                            "it here");
                }
                tensors.put(name, tensor);
            });
        }
        places.forEach((name, shard) -> {
            if (!tensors.containsKey(name)) {
                throw CheckpointException.refuse(
                        index.resolveSibling(shard), "tensor " + name, "it here (see the index)", "none");
            }
        });
        return tensors;
    }

    private static SortedMap<String, String> places(Path index) {
        var settings = new Settings(index, JsonText.object(index, MAX_INDEX_BYTES));
        Settings map = settings.group("weight_map").orElseThrow(() -> settings.refuse("weight_map", "files by tensor"));
        settings.refuseUnread(IGNORABLE_INDEX);
        var places = new TreeMap<String, String>();
        map.keys().forEach(name -> places.put(name, map.text(name)));
        return places;
    }

    /** A file beside the index; names that lead elsewhere are refused. */
    private static Path shardPath(Path index, String shard) {
        boolean isPlain = shard.endsWith(".safetensors")
                && shard.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || Character.isISOControl(c));
        try {
            if (isPlain) {
                return index.resolveSibling(shard);
            }
        } catch (InvalidPathException e) {
            throw new CheckpointException(index + ": a file name is not valid: " + CheckpointException.shown(shard), e);
        }
        throw CheckpointException.refuse(index, "weight_map", "names of .safetensors files beside it", shard);
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public SortedMap<String, Tensor> tensors() {
        return tensors;
    }

    @Override
    public Optional<Quantization> quantization() {
        return quantization;
    }

    @Override
    public Map<Path, Long> files() {
        return files;
    }

    /** False: Hugging Face's rows are in their original order. */
    @Override
    public boolean permutesRotaryRows() {
        return false;
    }

    @Override
    public void close() {
        arena.close();
    }
}
