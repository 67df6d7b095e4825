package dev.tandem.checkpoint;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the weights of a folder are: one safetensors file, or an index that names shards.
 *
 * @param file the file or the index
 * @param isIndex which of the two
 */
record WeightFiles(Path file, boolean isIndex) {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    /** ModelSlim's names begin so; older versions append the scheme ({@code quant_model_weight_w8a8_dynamic…}). */
    private static final String QUANTISED = "quant_model_weight*";

    /** {@code model.safetensors}, or its index; where both are there, the single file is taken, as transformers does. */
    static WeightFiles plain(Path folder) {
        if (Files.exists(folder.resolve(SINGLE))) {
            return new WeightFiles(folder.resolve(SINGLE), false);
        }
        if (Files.exists(folder.resolve(INDEX))) {
            return new WeightFiles(folder.resolve(INDEX), true);
        }
        if (!matching(folder, QUANTISED + ".safetensors").isEmpty()) {
            throw CheckpointException.refuse(
                    folder.resolve(AscendDescription.NAME), "file", "it beside quantised weights", "nothing");
        }
        throw CheckpointException.refuse(folder.resolve(SINGLE), "file", "it, or " + INDEX, "neither");
    }

    /** The index of {@code quant_model_weights*}, or the single file of that name, or the names of a plain folder. */
    static WeightFiles quantised(Path folder) {
        List<Path> indexes = matching(folder, QUANTISED + ".safetensors.index.json");
        if (!indexes.isEmpty()) {
            return new WeightFiles(only(folder, indexes), true);
        }
        List<Path> files = matching(folder, QUANTISED + ".safetensors");
        return files.isEmpty() ? plain(folder) : new WeightFiles(only(folder, files), false);
    }

    private static Path only(Path folder, List<Path> files) {
        if (files.size() > 1) {
            List<Path> names = files.stream().map(Path::getFileName).sorted().toList();
            throw CheckpointException.refuse(folder, "weight files", "one index, or one file without an index", names);
        }
        return files.getFirst();
    }

    private static List<Path> matching(Path folder, String pattern) {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, pattern)) {
            found.forEach(files::add);
        } catch (IOException e) {
            throw new CheckpointException(folder + ": cannot be listed: " + e.getMessage(), e);
        }
        return files;
    }
}
