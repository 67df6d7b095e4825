package dev.tandem.ops.verify;

import dev.tandem.ops.verify.Row.Check;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Whether the nodes that compute prompts hold no blocks when all requests are over. A node of ours tells how many it has and how many
 * are free, a foreign one the share in use, which must have come back to what it was.
 */
final class BlocksCheck {
    private static final long POLL_PERIOD_MS = 100;
    private static final double ROUNDING = 1e-6;

    private final Map<ClusterNode, MetricsSample> before;

    /** @param before metrics of each node, from before the first request */
    BlocksCheck(Map<ClusterNode, MetricsSample> before) {
        this.before = new LinkedHashMap<>(before);
    }

    /** Looks until all are free or the time is over. */
    Row await(Caller caller, long limitNs) throws InterruptedException {
        long startNs = System.nanoTime();
        while (true) {
            Look look = look(caller);
            long waitedNs = System.nanoTime() - startNs;
            if (look.isSettled() || waitedNs > limitNs) {
                return look.row(waitedNs / 1e9);
            }
            Thread.sleep(POLL_PERIOD_MS);
        }
    }

    private Look look(Caller caller) throws InterruptedException {
        var look = new Look(new ArrayList<>(), new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (Map.Entry<ClusterNode, MetricsSample> entry : before.entrySet()) {
            ClusterNode node = entry.getKey();
            MetricsSample now = ClusterView.sample(caller, node.target());
            Optional<State> state = State.of(entry.getValue(), now);
            if (state.isPresent()) {
                List<String> list = state.get().isFree() ? look.free : now.requests() > 0 ? look.busy : look.taken;
                list.add(node + ": " + state.get().figure());
            } else if (entry.getValue().isOfANode() && !now.isOfANode()) {
                look.taken.add(node + " shows its metrics no more");
            } else {
                look.unseen.add(node + " does not report its KV blocks");
            }
        }
        return look;
    }

    /**
     * What one look at all nodes has found; a sentence each.
     *
     * @param free hold nothing
     * @param taken hold blocks and run nothing
     * @param busy hold blocks and run something
     * @param unseen do not tell
     */
    private record Look(List<String> free, List<String> taken, List<String> busy, List<String> unseen) {
        boolean isSettled() {
            return taken.isEmpty() && busy.isEmpty();
        }

        Row row(double waitedSeconds) {
            if (!taken.isEmpty()) {
                return Row.failed(
                        Check.BLOCKS,
                        String.format(Locale.ROOT, "%s, after %.1f s", String.join("; ", taken), waitedSeconds));
            }
            if (!busy.isEmpty()) {
                return Row.notSeen(Check.BLOCKS, String.join("; ", busy) + ", while other requests run there");
            }
            if (free.isEmpty()) {
                return Row.notSeen(
                        Check.BLOCKS,
                        unseen.isEmpty()
                                ? "no prefill node's address is known; give it with --nodes prefill=HOST:PORT"
                                : String.join("; ", unseen));
            }
            var all = new ArrayList<>(free);
            all.addAll(unseen);
            return Row.ok(Check.BLOCKS, String.join("; ", all));
        }
    }

    /**
     * A node's blocks. Pure.
     *
     * @param isFree whether none is held
     * @param figure how many
     */
    record State(boolean isFree, String figure) {
        /** Reads two pages of one node; none where it does not tell. */
        static Optional<State> of(MetricsSample before, MetricsSample now) {
            OptionalDouble blocks = now.value("tandem:kv_blocks");
            OptionalDouble free = now.value("tandem:kv_blocks_free");
            if (blocks.isPresent() && free.isPresent()) {
                long held = Math.round(blocks.getAsDouble() - free.getAsDouble());
                long lent = Math.round(now.value("tandem:kv_blocks_lent").orElse(0));
                return Optional.of(new State(
                        held == 0,
                        held == 0
                                ? Math.round(blocks.getAsDouble()) + " of " + Math.round(blocks.getAsDouble())
                                        + " blocks free"
                                : held + " of " + Math.round(blocks.getAsDouble()) + " blocks still taken, " + lent
                                        + " of them lent"));
            }
            String[] names = {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"};
            OptionalDouble usage = now.value(names);
            OptionalDouble usageBefore = before.value(names);
            if (usage.isEmpty() || usageBefore.isEmpty()) {
                return Optional.empty();
            }
            boolean isFree = usage.getAsDouble() <= usageBefore.getAsDouble() + ROUNDING;
            return Optional.of(new State(
                    isFree,
                    String.format(
                            Locale.ROOT,
                            "%.2f %% of the KV cache in use, %.2f %% before",
                            100 * usage.getAsDouble(),
                            100 * usageBefore.getAsDouble())));
        }
    }
}
