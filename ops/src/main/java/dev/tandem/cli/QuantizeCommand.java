package dev.tandem.cli;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.quantize.Int8Quantizer;
import dev.tandem.quantize.QuantizedLayer;
import dev.tandem.quantize.WeightError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.TypeConversionException;

/** {@code tandem quantize IN OUT --scheme w8a8-dynamic}. */
final class QuantizeCommand implements Verb {
    private static final String FLOAT32 = "float32";
    private static final String BFLOAT16 = "bfloat16";
    private static final String DYNAMIC = "w8a8-dynamic";
    private static final long DEFAULT_SHARD_BYTES = 4L << 30;

    @Override
    public String summary() {
        return "make an int8 (W8A8) checkpoint from a float one";
    }

    private Grammar grammar() {
        return new Grammar("quantize", summary())
                .argument("IN", true, Path.class, Path::of, "Hugging Face folder with bf16, f16 or f32 weights")
                .argument(
                        "OUT",
                        true,
                        Path.class,
                        Path::of,
                        "folder to make, in the layout of Ascend ModelSlim; it must not exist")
                .required(
                        "--scheme",
                        "SCHEME",
                        String.class,
                        QuantizeCommand::scheme,
                        DYNAMIC
                                + ": projections as int8, a scale for each output; activations get theirs row by row when"
                                + " served")
                .option(
                        "--scale-dtype",
                        "TYPE",
                        String.class,
                        Value.word(FLOAT32, BFLOAT16),
                        "type of the scales; bfloat16 as older exporters have it (default float32)")
                .option(
                        "--shard-size",
                        "BYTES",
                        Long.class,
                        Value.whole(1, Long.MAX_VALUE),
                        "bytes of weights per file (default 4GiB)")
                .footer("""
                        Each line reports a layer when it is finished: root mean square error of its weights over their root
                        mean square, and the largest error over the largest weight of its output.
                        """);
    }

    private static String scheme(String text) {
        if (text.equals(DYNAMIC)) {
            return text;
        }
        throw new TypeConversionException("must be " + DYNAMIC + ", not '" + text
                + "'; static schemes need activations of sample prompts, which this command does not collect");
    }

    @Override
    public CommandSpec spec() {
        return grammar().spec();
    }

    @Override
    public int run(List<String> arguments) throws IOException {
        VerbArguments read = grammar().read(arguments);
        if (read.isHelpAsked()) {
            System.out.print(grammar().help());
            return Exit.WELL;
        }
        read.refuseProblems();
        boolean isBfloat16 = read.value("--scale-dtype", String.class)
                .filter(BFLOAT16::equals)
                .isPresent();
        var options = new Int8Quantizer.Options(
                read.argument(0, Path.class).orElseThrow(),
                read.argument(1, Path.class).orElseThrow(),
                isBfloat16 ? DType.BF16 : DType.F32,
                read.value("--shard-size", Long.class).orElse(DEFAULT_SHARD_BYTES));
        for (Path path : Int8Quantizer.leftBehind(options.out())) {
            Exit.say(path + " was left by a run that was killed, and may be deleted");
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

    private static Int8Quantizer.Result quantize(Int8Quantizer.Options options) throws IOException {
        try (var threads = new KernelThreads(1)) {
            return new Int8Quantizer(options, KernelSelection.best().kernels(threads), QuantizeCommand::report).run();
        }
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
