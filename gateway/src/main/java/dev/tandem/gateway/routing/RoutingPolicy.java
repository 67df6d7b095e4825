package dev.tandem.gateway.routing;

import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.NodeLoad;
import java.util.List;
import java.util.Optional;

/**
 * Sends a request where the fewest tokens are under way, as vllm-ascend's proxy weighs them: a prefill node's priority is its active tokens
 * plus 0.3 of the tokens whose blocks it still holds, a decode node's is its active tokens; the lowest wins. Equal nodes are chosen at
 * random, where the proxy always takes the first. Pure: loads and the seed come in, a plan comes out. Loads are in thousandths.
 */
public final class RoutingPolicy {
    private static final double PREFILL_PER_TOKEN = 0.0345;
    private static final double PREFILL_BASE = 120.0745;
    private static final int BYTES_PER_TOKEN = 4;
    private static final long UNIT = 1_000;

    private RoutingPolicy() {}

    /** What a body of this size costs a prefill node: (bytes / 4) · 0.0345 + 120.0745. */
    public static long prefillCost(int bodyBytes) {
        return Math.round(((double) bodyBytes / BYTES_PER_TOKEN * PREFILL_PER_TOKEN + PREFILL_BASE) * UNIT);
    }

    /** What a body of this size costs a decode node: its bytes. */
    public static long decodeCost(int bodyBytes) {
        return bodyBytes * UNIT;
    }

    /** Chooses one node of each list; a list without nodes gives none. */
    public static RoutePlan plan(List<NodeLoad> prefill, List<NodeLoad> decode, long seed) {
        return new RoutePlan(choose(prefill, seed), choose(decode, Long.rotateLeft(seed, 32)));
    }

    private static Optional<FleetNode> choose(List<NodeLoad> candidates, long seed) {
        if (candidates.isEmpty()) {
            return Optional.empty();
        }
        long lowest = Long.MAX_VALUE;
        int equals = 0;
        for (NodeLoad candidate : candidates) {
            long priority = priority(candidate);
            if (priority < lowest) {
                lowest = priority;
                equals = 1;
            } else if (priority == lowest) {
                equals++;
            }
        }
        long turn = Long.remainderUnsigned(seed, equals);
        for (NodeLoad candidate : candidates) {
            if (priority(candidate) == lowest && turn-- == 0) {
                return Optional.of(candidate.node());
            }
        }
        throw new IllegalStateException("no candidate at " + lowest + " among " + candidates);
    }

    private static long priority(NodeLoad load) {
        return 10 * load.activeTokens() + 3 * load.activeKv();
    }
}
