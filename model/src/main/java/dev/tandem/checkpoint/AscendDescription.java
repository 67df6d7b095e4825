package dev.tandem.checkpoint;

import dev.tandem.checkpoint.Quantization.Scheme;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * ModelSlim's {@code quant_model_description.json}: a scheme for every tensor, and a few keys about the whole. Source: msModelSlim's
 * description of its AscendV1 files.
 *
 * @param file for messages
 * @param modelType {@code model_quant_type}
 * @param types scheme by tensor name
 */
record AscendDescription(Path file, String modelType, SortedMap<String, Scheme> types) {
    static final String NAME = "quant_model_description.json";

    private static final int MAX_BYTES = 64 << 20;
    private static final String MODEL_TYPE = "model_quant_type";

    /** Keys about the whole that change no result, with the reason. */
    private static final Map<String, String> IGNORABLE = Map.of(
            "version", "of the exporter",
            "group_size", "counts only for schemes by group, whose scales have another shape",
            "reduce_quant_type", "how sums over ranks are sent; there are none",
            "optional", "files that are not needed to run the model");

    /** Keys about the whole that may only say that something is not used. */
    private static final Map<String, List<?>> HARMLESS = Map.of(
            "kv_quant_type", List.of(),
            "kv_cache_type", List.of(),
            "fa_quant_type", List.of(),
            "indexer_quant_type", List.of(),
            "metadata", List.of(Map.of()));

    private static final Set<String> ABOUT_THE_WHOLE = aboutTheWhole();

    private static Set<String> aboutTheWhole() {
        var keys = new HashSet<>(IGNORABLE.keySet());
        keys.addAll(HARMLESS.keySet());
        keys.add(MODEL_TYPE);
        return Set.copyOf(keys);
    }

    /** The description of a folder, where it has one. */
    static Optional<AscendDescription> find(Path folder) {
        Path file = folder.resolve(NAME);
        return Files.exists(file) ? Optional.of(read(file)) : Optional.empty();
    }

    private static AscendDescription read(Path file) {
        var settings = new Settings(file, JsonText.object(file, MAX_BYTES));
        String modelType = settings.text(MODEL_TYPE);
        HARMLESS.forEach(settings::requireHarmless);
        var types = new TreeMap<String, Scheme>();
        for (String key : settings.keys()) {
            if (!ABOUT_THE_WHOLE.contains(key)) {
                types.put(key, scheme(settings, key));
            }
        }
        settings.refuseUnread(IGNORABLE);
        return new AscendDescription(file, modelType, types);
    }

    private static Scheme scheme(Settings settings, String tensor) {
        return switch (settings.optionalText(tensor).orElse("")) {
            case "FLOAT" -> Scheme.FLOAT;
            case "W8A8" -> Scheme.W8A8;
            case "W8A8_DYNAMIC" -> Scheme.W8A8_DYNAMIC;
            default -> throw settings.refuse(tensor, "FLOAT, W8A8 or W8A8_DYNAMIC (other schemes are not implemented)");
        };
    }
}
