package dev.tandem.ops.launch;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One process to start.
 *
 * @param name {@code gateway}, {@code prefill-0}, {@code decode-0}, …
 * @param role {@code gateway}, {@code prefill} or {@code decode}
 * @param http where it answers; of a headless node its host and port 0
 * @param arguments its command line behind {@code tandem}
 * @param variables its environment, over that of the parent, in the order of the script
 */
public record ProcessPlan(
        String name, String role, Endpoint http, List<String> arguments, Map<String, String> variables) {
    public ProcessPlan {
        arguments = List.copyOf(arguments);
        variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
    }

    boolean isGateway() {
        return role.equals("gateway");
    }

    /** A process with its parent's environment. */
    public ProcessPlan(String name, String role, Endpoint http, List<String> arguments) {
        this(name, role, http, arguments, Map.of());
    }
}
