package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Everything that a gateway is told, checked as a whole: one {@link IllegalArgumentException} names every problem.
 *
 * @param listen {@code --host} and {@code --port}; port 0 takes any
 * @param nodes the nodes
 * @param retry how often legs are tried
 * @param policies what the operator decides
 * @param limits bounds
 * @param access who may call it, and what it shows to nodes
 */
public record GatewayConfig(
        HttpAddress listen,
        NodeLists nodes,
        RetrySettings retry,
        GatewayPolicies policies,
        GatewayLimits limits,
        GatewayAccess access) {
    private static final Set<String> WILDCARDS = Set.of("0.0.0.0", "::", "0:0:0:0:0:0:0:0", "*");
    private static final Duration SLOWEST_RETURN = Duration.ofMillis(500);

    /** A gateway that everybody may call, in plain HTTP. */
    public GatewayConfig(
            HttpAddress listen, NodeLists nodes, RetrySettings retry, GatewayPolicies policies, GatewayLimits limits) {
        this(listen, nodes, retry, policies, limits, GatewayAccess.OPEN);
    }

    /** Checks the values. */
    public GatewayConfig {
        List<String> problems = new ArrayList<>(nodes.problems());
        require(retry.maxRetries() >= 1, "--max-retries " + retry.maxRetries() + " is below 1", problems);
        require(!retry.retryDelay().isNegative(), "--retry-delay is negative", problems);
        require(limits.eventLoops() >= 1, "eventLoops " + limits.eventLoops() + " is below 1", problems);
        require(limits.maxBodyBytes() >= 1, "maxBodyBytes " + limits.maxBodyBytes() + " is below 1", problems);
        require(
                limits.maxConcurrentRequests() >= 1,
                "--max-concurrent-requests " + limits.maxConcurrentRequests() + " is below 1",
                problems);
        require(policies.probes().silence().isPositive(), "--silence-timeout is not positive", problems);
        require(limits.legs().firstByte().isPositive(), "--first-byte-timeout is not positive", problems);
        require(limits.legs().interToken().isPositive(), "--inter-token-timeout is not positive", problems);
        require(!limits.drainTimeout().isNegative(), "--drain-timeout is negative", problems);
        require(
                policies.probes().whileDown().compareTo(SLOWEST_RETURN) <= 0,
                "probes of nodes that are down must come at least every " + SLOWEST_RETURN.toMillis() + " ms",
                problems);
        advertisedProblem(listen, policies.shape()).ifPresent(problems::add);
        if (problems.isEmpty()) {
            require(
                    Stream.concat(nodes.prefill().stream(), nodes.decode().stream())
                            .noneMatch(node -> node.authority().equals(listen.authority())),
                    "the gateway's own address " + listen + " is listed as a node",
                    problems);
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("\n", problems));
        }
    }

    /** Decode nodes post to the gateway, so they need an address of it that means the same to them. */
    private static Optional<String> advertisedProblem(HttpAddress listen, PdShape shape) {
        if (!(shape instanceof PdShape.DecodeFirst decodeFirst)) {
            return Optional.empty();
        }
        String host = decodeFirst.advertisedHost().orElse(listen.host());
        if (!WILDCARDS.contains(host)) {
            return Optional.empty();
        }
        return Optional.of(
                decodeFirst.advertisedHost().isPresent()
                        ? "--advertised-host " + host + " is not an address that decode nodes could reach"
                        : "--layerwise with --host " + host
                                + ": decode nodes post to the gateway and need its address; give it as --host, or beside"
                                + " it as --advertised-host");
    }

    /** A gateway with defaults for everything but the addresses. */
    public static GatewayConfig of(HttpAddress listen, NodeLists nodes) {
        return new GatewayConfig(listen, nodes, RetrySettings.DEFAULT, GatewayPolicies.DEFAULT, GatewayLimits.DEFAULT);
    }

    private static void require(boolean holds, String problem, List<String> problems) {
        if (!holds) {
            problems.add(problem);
        }
    }
}
