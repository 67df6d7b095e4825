package dev.tandem.ops.launch;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.util.List;

/**
 * One process to start.
 *
 * @param name {@code gateway}, {@code prefill-0}, {@code decode-0}, …
 * @param role {@code gateway}, {@code prefill} or {@code decode}
 * @param http where it answers
 * @param words its command line behind {@code tandem}
 */
public record ProcessPlan(String name, String role, Endpoint http, List<String> words) {
    public ProcessPlan {
        words = List.copyOf(words);
    }
}
