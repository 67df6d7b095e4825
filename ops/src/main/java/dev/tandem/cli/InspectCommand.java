package dev.tandem.cli;

import dev.tandem.api.openai.PlainJson;
import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.ops.inspect.Inspection;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem inspect CHECKPOINT [--json]}. */
final class InspectCommand implements Verb {
    @Override
    public String summary() {
        return "print a checkpoint's architecture, tensors, sizes and KV bytes per token";
    }

    private Grammar grammar() {
        return new Grammar("inspect", summary())
                .argument("CHECKPOINT", true, Path.class, Path::of, "a Hugging Face folder or a .gguf file")
                .flag("--json", "one JSON object instead of text");
    }

    @Override
    public CommandSpec spec() {
        return grammar().spec();
    }

    @Override
    public int run(List<String> arguments) {
        VerbArguments read = grammar().read(arguments);
        if (read.isHelpAsked()) {
            System.out.print(grammar().help());
            return Exit.WELL;
        }
        read.refuseProblems();
        try (Checkpoint checkpoint =
                Checkpoint.open(read.argument(0, Path.class).orElseThrow())) {
            var inspection = Inspection.of(checkpoint);
            if (read.has("--json")) {
                System.out.println(PlainJson.tree(inspection.json()));
            } else {
                inspection.lines().forEach(System.out::println);
            }
        }
        return Exit.WELL;
    }
}
