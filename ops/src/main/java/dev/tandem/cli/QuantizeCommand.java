package dev.tandem.cli;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import dev.tandem.node.flags.WholeNumber;
import dev.tandem.quantize.Int8Quantizer;
import dev.tandem.quantize.QuantizedLayer;
import dev.tandem.quantize.WeightError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** {@code tandem quantize IN OUT --scheme w8a8-dynamic}. */
final class QuantizeCommand implements Main.Verb {
    private static final String USAGE = """
            usage: tandem quantize IN OUT --scheme w8a8-dynamic [--scale-dtype float32|bfloat16] [--shard-size 4GiB]

              IN             Hugging Face folder with bf16, f16 or f32 weights
              OUT            folder to make, in the layout of Ascend ModelSlim; it must not exist
              --scheme       w8a8-dynamic: projections as int8, a scale for each output; activations get theirs row by row when served
              --scale-dtype  type of the scales; bfloat16 as older exporters have it (default float32)
              --shard-size   bytes of weights in one file (default 4GiB)

            Each line reports a layer when it is finished: root mean square error of its weights over their root mean square, and the
            largest error over the largest weight of its output.
            """;
    private static final String DYNAMIC = "w8a8-dynamic";
    private static final Set<String> FLAGS = Set.of("scheme", "scale-dtype", "shard-size");

    @Override
    public String summary() {
        return "make an int8 (W8A8) checkpoint from a float one";
    }

    private static Int8Quantizer.Result quantize(Int8Quantizer.Options options) throws IOException {
        try (var threads = new KernelThreads(1)) {
            return new Int8Quantizer(options, KernelSelection.best().kernels(threads), QuantizeCommand::report).run();
        }
    }

    @Override
    public int run(List<String> words) throws IOException {
        if (words.contains("--help") || words.contains("-h")) {
            System.out.print(USAGE);
            return Exit.WELL;
        }
        Int8Quantizer.Options options = options(words);
        for (Path path : Int8Quantizer.leftBehind(options.out())) {
            System.err.println("tandem: " + path + " was left by a run that was killed, and may be deleted");
        }
        Int8Quantizer.Result result = quantize(options);
        System.out.printf(
                Locale.ROOT,
                "%s: %,d weights of %,d values as int8, %s%n%,d bytes instead of %,d; copied %s%n",
                options.out(),
                result.weights(),
                result.error().weights(),
                text(result.error()),
                result.bytesAfter(),
                result.bytesBefore(),
                String.join(", ", result.copied()));
        return Exit.WELL;
    }

    private static Int8Quantizer.Options options(List<String> words) {
        var paths = new ArrayList<Path>();
        var values = new HashMap<String, String>();
        for (int i = 0; i < words.size(); i++) {
            String word = words.get(i);
            if (!word.startsWith("--")) {
                paths.add(Path.of(word));
                continue;
            }
            int equals = word.indexOf('=');
            String name = word.substring(2, equals < 0 ? word.length() : equals);
            if (!FLAGS.contains(name)) {
                throw new FlagException("tandem quantize does not take --" + name + "; the nearest is --"
                        + Nearest.of(name, FLAGS.stream().sorted().toList()));
            }
            if (equals < 0 && i + 1 == words.size()) {
                throw new FlagException("--" + name + " needs a value");
            }
            values.put(name, equals < 0 ? words.get(++i) : word.substring(equals + 1));
        }
        if (paths.size() != 2) {
            throw new FlagException("tandem quantize takes IN and OUT, found " + paths + "\n" + USAGE);
        }
        requireScheme(values);
        return new Int8Quantizer.Options(paths.getFirst(), paths.getLast(), scaleType(values), shardBytes(values));
    }

    private static void requireScheme(Map<String, String> values) {
        String scheme = values.getOrDefault("scheme", "");
        if (!scheme.equals(DYNAMIC)) {
            throw new FlagException("--scheme must be " + DYNAMIC + ", not '" + scheme
                    + "'; static schemes need activations of sample prompts, which this command does not collect");
        }
    }

    private static DType scaleType(Map<String, String> values) {
        String name = values.getOrDefault("scale-dtype", "float32");
        return switch (name) {
            case "float32" -> DType.F32;
            case "bfloat16" -> DType.BF16;
            default -> throw new FlagException("--scale-dtype must be float32 or bfloat16, not " + name);
        };
    }

    private static long shardBytes(Map<String, String> values) {
        String text = values.getOrDefault("shard-size", "4GiB");
        return WholeNumber.parse(text)
                .filter(bytes -> bytes >= 1)
                .orElseThrow(
                        () -> new FlagException("--shard-size must be a number of bytes such as 4GiB, not " + text));
    }

    private static void report(QuantizedLayer layer) {
        System.out.printf(
                Locale.ROOT,
                "layer %3d of %d  attention %s  feed-forward %s%n",
                layer.layer(),
                layer.layers(),
                text(layer.attention()),
                text(layer.feedForward()));
    }

    private static String text(WeightError error) {
        return String.format(Locale.ROOT, "rms %.5f max %.5f", error.rms(), error.largest());
    }
}
