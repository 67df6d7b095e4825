package dev.tandem.preflight.script.shell;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * What a command finds when its turn comes.
 *
 * @param folder where it runs, as far as {@code cd} says; empty: where the script was started
 * @param environment exported variables
 * @param lines where each of them was set
 * @param unknown texts that stand in words and values for what only a running shell knows, such as {@code $(hostname -I)}
 */
public record Scene(String folder, Map<String, String> environment, Map<String, Integer> lines, Set<String> unknown) {
    public Scene {
        environment = Collections.unmodifiableMap(new LinkedHashMap<>(environment));
        lines = Map.copyOf(lines);
        unknown = Set.copyOf(unknown);
    }

    /** Without a script: variables that stand on no line, and all of them known. */
    public Scene(Map<String, String> environment) {
        this("", environment, Map.of(), Set.of());
    }

    /** Whether a text depends on what only a running shell knows. */
    public boolean isUnknown(String text) {
        return unknown.stream().anyMatch(text::contains);
    }
}
