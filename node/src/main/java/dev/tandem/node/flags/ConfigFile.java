package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/**
 * The file of {@code --config}: a mapping, in YAML or JSON, of flags without their hyphens to values; lists for flags with several
 * values, mappings for JSON flags, true and false for switches. What is wrong is reported with file and line.
 */
final class ConfigFile {
    private final String file;
    private final FlagArguments target;

    private ConfigFile(String file, FlagArguments target) {
        this.file = file;
        this.target = target;
    }

    /** Puts what the file says into {@code target}. */
    static void read(Path path, FlagArguments target) {
        try {
            read(YamlNode.source(path), path.toString(), target);
        } catch (IOException e) {
            target.problem("--config " + path + " cannot be read: " + e);
        }
    }

    /** Puts what a text says into {@code target}; {@code file} is its name in messages. */
    static void read(String source, String file, FlagArguments target) {
        var reader = new ConfigFile(file, target);
        try {
            YamlNode root = YamlNode.parse(source, file);
            Map<String, YamlNode> entries = root.entries()
                    .orElseThrow(() ->
                            new FlagException(file + " line " + root.line() + " is not a mapping of flag to value"));
            entries.forEach(reader::take);
        } catch (FlagException e) {
            e.problems().forEach(target::problem);
        }
    }

    private void take(String key, YamlNode value) {
        String name = key.replace('_', '-');
        Flag flag = target.table().find(name).orElse(null);
        if (flag == null || name.equals("config")) {
            target.problem(file + " line " + value.line() + ": "
                    + (flag == null
                            ? "unknown key " + key + "; the nearest is "
                                    + target.table().nearest(name)
                            : "a file cannot name another one with " + key));
            return;
        }
        if (flag.kind() == Kind.JSON) {
            takeObject(flag, value);
            return;
        }
        List<String> texts = value.items().orElse(List.of(value)).stream()
                .map(item -> item.text().orElse(""))
                .toList();
        if (texts.isEmpty() || texts.contains("")) {
            target.problem(at(value, key) + " needs a value");
        } else if (texts.size() > 1 && !flag.takesSeveral()) {
            target.problem(at(value, key) + " takes one value, not " + texts);
        } else if (flag.kind() == Kind.SWITCH
                && !List.of("true", "false").contains(texts.getFirst().toLowerCase(Locale.ROOT))) {
            target.problem(at(value, key) + " must be true or false, not " + texts.getFirst());
        } else {
            target.put(
                    flag, flag.kind() == Kind.SWITCH ? List.of(texts.getFirst().toLowerCase(Locale.ROOT)) : texts);
        }
    }

    private void takeObject(Flag flag, YamlNode value) {
        if (value.entries().isPresent()) {
            target.putObject(flag, (ObjectNode) value.toJson());
        } else if (value.text().isPresent()) {
            target.putObject(flag, value.text().get());
        } else {
            target.problem(at(value, flag.name()) + " must be a mapping");
        }
    }

    private String at(YamlNode value, String key) {
        return file + " line " + value.line() + ": " + key;
    }
}
