package dev.tandem.node;

import dev.tandem.node.flags.FlagException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The environment variables that a node heeds, read once at start.
 *
 * @param kvCacheSpaceBytes {@code VLLM_CPU_KVCACHE_SPACE} (GiB there)
 * @param allowsLongModels {@code VLLM_ALLOW_LONG_MAX_MODEL_LEN=1}
 * @param kernelThreads {@code OMP_NUM_THREADS}
 * @param announcedHost {@code HCCL_IF_IP}: the address that peers are told
 * @param timeouts of leases and transfers
 */
public record NodeEnvironment(
        Optional<Long> kvCacheSpaceBytes,
        boolean allowsLongModels,
        Optional<Integer> kernelThreads,
        Optional<String> announcedHost,
        Timeouts timeouts) {

    /**
     * Deadlines of the handoff.
     *
     * @param lease {@code VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT} or {@code VLLM_NIXL_ABORT_REQUEST_TIMEOUT}, seconds, default 120: how long
     *     a prefill node keeps lent blocks
     * @param fetch {@code ASCEND_TRANSFER_TIMEOUT}, milliseconds, default 33,000: how long a read may take
     */
    public record Timeouts(Duration lease, Duration fetch) {}

    private static final Duration DEFAULT_LEASE = Duration.ofMinutes(2);
    private static final Duration DEFAULT_FETCH = Duration.ofSeconds(33);

    /**
     * Reads a process's environment.
     *
     * @throws FlagException with all problems
     */
    public static NodeEnvironment read(Map<String, String> variables) {
        var problems = new ArrayList<String>();
        Optional<Long> lease = number(variables, "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT", problems)
                .or(() -> number(variables, "VLLM_NIXL_ABORT_REQUEST_TIMEOUT", problems));
        Optional<Long> fetch = number(variables, "ASCEND_TRANSFER_TIMEOUT", problems);
        var environment = new NodeEnvironment(
                number(variables, "VLLM_CPU_KVCACHE_SPACE", problems).map(gib -> gib << 30),
                "1".equals(variables.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN")),
                number(variables, "OMP_NUM_THREADS", problems).map(Long::intValue),
                Optional.ofNullable(variables.get("HCCL_IF_IP")).filter(host -> !host.isBlank()),
                new Timeouts(
                        lease.map(Duration::ofSeconds).orElse(DEFAULT_LEASE),
                        fetch.map(Duration::ofMillis).orElse(DEFAULT_FETCH)));
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return environment;
    }

    private static Optional<Long> number(Map<String, String> variables, String name, List<String> problems) {
        String text = variables.get(name);
        if (text == null || text.isBlank()) {
            return Optional.empty();
        }
        try {
            long value = Long.parseLong(text.strip());
            if (value >= 1 && value <= 1 << 24) {
                return Optional.of(value);
            }
            problems.add(name + "=" + text + " is outside [1, " + (1 << 24) + "]");
        } catch (NumberFormatException e) {
            problems.add(name + "=" + text + " is no whole number");
        }
        return Optional.empty();
    }
}
