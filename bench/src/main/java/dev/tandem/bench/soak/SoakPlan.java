package dev.tandem.bench.soak;

import dev.tandem.ops.launch.LaunchPlan;
import java.time.Duration;
import java.util.List;

/**
 * What a soak does.
 *
 * @param cluster processes that are asked, and that faults are done to
 * @param quiet arguments of an aggregated node with the same model and types, which is left in peace
 * @param load requests
 * @param faults that may be done
 * @param faultsAtOnce as many may overlap
 * @param faultEvery mean time from the end of one to the next of its row
 * @param seed of prompts, clients and faults
 */
public record SoakPlan(
        LaunchPlan cluster,
        List<String> quiet,
        Load load,
        List<Fault.Kind> faults,
        int faultsAtOnce,
        Duration faultEvery,
        long seed) {
    /**
     * Requests.
     *
     * @param model served name
     * @param requests in all
     * @param atOnce under way at a time
     * @param maxTokens most of an answer
     * @param deadline of each request: by then it is answered, or refused, or told that it failed
     */
    public record Load(String model, int requests, int atOnce, int maxTokens, Duration deadline) {}
}
