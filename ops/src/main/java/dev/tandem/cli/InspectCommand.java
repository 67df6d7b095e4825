package dev.tandem.cli;

import dev.tandem.api.openai.PlainJson;
import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.inspect.Inspection;
import java.nio.file.Path;
import java.util.List;

/** {@code tandem inspect CHECKPOINT [--json]}. */
final class InspectCommand implements Main.Verb {
    @Override
    public String summary() {
        return "print a checkpoint's architecture, tensors, sizes and KV bytes per token";
    }

    @Override
    public int run(List<String> words) {
        List<String> paths =
                words.stream().filter(word -> !word.startsWith("--")).toList();
        List<String> flags =
                words.stream().filter(word -> word.startsWith("--")).toList();
        if (paths.size() != 1 || !List.of("--json").containsAll(flags)) {
            throw new FlagException("usage: tandem inspect CHECKPOINT [--json]");
        }
        try (Checkpoint checkpoint = Checkpoint.open(Path.of(paths.getFirst()))) {
            var inspection = Inspection.of(checkpoint);
            if (flags.isEmpty()) {
                inspection.lines().forEach(System.out::println);
            } else {
                System.out.println(PlainJson.tree(inspection.json()));
            }
        }
        return Exit.WELL;
    }
}
