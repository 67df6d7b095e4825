package dev.tandem.bench.soak;

import dev.tandem.ops.launch.LaunchPlan;
import java.time.Duration;
import java.util.List;

/**
 * What a soak does.
 *
 * @param cluster processes that are asked and killed
 * @param quiet arguments of an aggregated node with the same model and types, which is never killed
 * @param load requests
 * @param killEvery from one restart to the next kill
 * @param seed of prompts and kills
 */
public record SoakPlan(LaunchPlan cluster, List<String> quiet, Load load, Duration killEvery, long seed) {
    /**
     * Requests.
     *
     * @param model served name
     * @param requests in all
     * @param atOnce under way at a time
     * @param maxTokens of each answer
     */
    public record Load(String model, int requests, int atOnce, int maxTokens) {}
}
