package dev.tandem.ops.preflight.shell;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * What a command finds when its turn comes.
 *
 * @param folder where it runs, as far as {@code cd} says; empty: where the script was started
 * @param environment exported variables
 * @param unknown texts that stand in words and values for what only a running shell knows, such as {@code $(hostname -I)}
 */
public record Scene(String folder, Map<String, String> environment, Set<String> unknown) {
    public Scene {
        environment = Collections.unmodifiableMap(new LinkedHashMap<>(environment));
        unknown = Set.copyOf(unknown);
    }

    /** Whether a text depends on what only a running shell knows. */
    public boolean isUnknown(String text) {
        return unknown.stream().anyMatch(text::contains);
    }
}
