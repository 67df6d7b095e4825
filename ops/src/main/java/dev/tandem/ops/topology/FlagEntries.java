package dev.tandem.ops.topology;

import dev.tandem.node.flags.Flag;
import dev.tandem.node.flags.FlagTable;
import dev.tandem.node.flags.YamlNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Reads {@code flags} of a topology: what a program of its own table is started with.
 *
 * @param program whose flags they are, for messages
 * @param table all of its flags
 * @param ownKeys flags that a topology sets by keys of its own, and by which
 */
record FlagEntries(String program, FlagTable table, Map<String, String> ownKeys) {
    /** The flags by name without hyphens, in the file's order; none where the entries have no {@code flags}. */
    Map<String, String> read(TopologyReader reader, Map<String, YamlNode> entries) {
        YamlNode node = entries.get("flags");
        if (node == null) {
            return Map.of();
        }
        var found = new LinkedHashMap<String, String>();
        node.entries()
                .orElseThrow(() -> reader.at(node, "flags must be a mapping of flag to value"))
                .forEach((name, value) -> {
                    String flag = name.replace('_', '-');
                    refuseForeign(reader, flag, name, value);
                    found.put(flag, value.entries().isPresent() ? json(reader, flag, value) : reader.text(value, name));
                });
        return found;
    }

    private void refuseForeign(TopologyReader reader, String flag, String name, YamlNode value) {
        Optional<Flag> known = table.find(flag);
        if (known.isEmpty()) {
            throw reader.at(
                    value,
                    "flags has " + name + ", which " + program + " does not know; the nearest is "
                            + table.nearest(flag));
        }
        if (ownKeys.containsKey(flag)) {
            throw reader.at(value, "flags has " + name + ", which a topology sets with " + ownKeys.get(flag));
        }
        if (known.get().kind() == Flag.Kind.SWITCH) {
            reader.isTrue(value, name);
        }
    }

    private String json(TopologyReader reader, String flag, YamlNode value) {
        if (table.find(flag).filter(known -> known.kind() == Flag.Kind.JSON).isEmpty()) {
            throw reader.at(value, flag + " must be a single value");
        }
        return value.toJson().toString();
    }
}
