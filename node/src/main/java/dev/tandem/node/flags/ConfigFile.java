package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Kind;
import java.io.IOException;
import java.nio.file.Files;
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
    private final CommandLine line;

    private ConfigFile(String file, CommandLine line) {
        this.file = file;
        this.line = line;
    }

    /** Puts what the file says into {@code line}. */
    static void read(Path path, CommandLine line) {
        try {
            read(Files.readString(path), path.toString(), line);
        } catch (IOException e) {
            line.problem("--config " + path + " cannot be read: " + e);
        }
    }

    /** The same for a text. */
    static void read(String source, String file, CommandLine line) {
        var reader = new ConfigFile(file, line);
        try {
            YamlNode root = YamlNode.parse(source, file);
            Map<String, YamlNode> entries = root.entries()
                    .orElseThrow(
                            () -> new FlagException(file + " line " + root.line() + " is no mapping of flag to value"));
            entries.forEach(reader::take);
        } catch (FlagException e) {
            e.problems().forEach(line::problem);
        }
    }

    private void take(String key, YamlNode value) {
        String name = key.replace('_', '-');
        Flag flag = FlagTable.find(name).orElse(null);
        if (flag == null || name.equals("config")) {
            line.problem(file + " line " + value.line() + ": "
                    + (flag == null
                            ? "unknown key " + key + "; the nearest is " + FlagTable.nearest(name)
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
            line.problem(at(value, key) + " needs a value");
        } else if (texts.size() > 1 && flag.kind() != Kind.TEXTS) {
            line.problem(at(value, key) + " takes one value, not " + texts);
        } else if (flag.kind() == Kind.SWITCH
                && !List.of("true", "false").contains(texts.getFirst().toLowerCase(Locale.ROOT))) {
            line.problem(at(value, key) + " must be true or false, not " + texts.getFirst());
        } else {
            line.put(flag, flag.kind() == Kind.SWITCH ? List.of(texts.getFirst().toLowerCase(Locale.ROOT)) : texts);
        }
    }

    private void takeObject(Flag flag, YamlNode value) {
        if (value.entries().isPresent()) {
            line.putObject(flag, (ObjectNode) value.toJson());
        } else if (value.text().isPresent()) {
            line.putObject(flag, value.text().get());
        } else {
            line.problem(at(value, flag.name()) + " must be a mapping");
        }
    }

    private String at(YamlNode value, String key) {
        return file + " line " + value.line() + ": " + key;
    }
}
