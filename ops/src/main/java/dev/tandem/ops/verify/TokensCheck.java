package dev.tandem.ops.verify;

import dev.tandem.ops.verify.ClusterNode.Role;
import dev.tandem.ops.verify.Row.Check;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/**
 * Whether one node alone gives the tokens that came through a prefill and a decode node. A decode node that has the prompt in its prefix
 * cache would only repeat what it was handed, so that another node is asked then.
 */
final class TokensCheck {
    private static final String CACHE_HITS = "vllm:prefix_cache_hits_total";

    private final ObjectNode question;
    private final Completion disaggregated;

    /**
     * @param question what was asked
     * @param disaggregated what came
     */
    TokensCheck(ObjectNode question, Completion disaggregated) {
        this.question = question;
        this.disaggregated = disaggregated;
    }

    /** Asks nodes of the view, the best first, until one gives an answer of its own. */
    Row judge(Caller caller, ClusterView view) throws InterruptedException {
        if (view.isNode()) {
            return Row.notSeen(Check.TOKENS, "one node does everything: there is nothing to compare");
        }
        var reasons = new ArrayList<String>();
        for (ClusterNode node : view.aggregating()) {
            MetricsSample before = ClusterView.sample(caller, node.target());
            Completion alone = CompletionReader.whole(caller.post(node.target(), Questions.COMPLETIONS, question));
            if (alone.problem().isPresent()) {
                reasons.add(node + ": " + alone.problem().get());
                continue;
            }
            // A prefill node's cache holds what it has computed itself.
            if (node.role() != Role.PREFILL && isCached(caller, node, before, alone)) {
                reasons.add(node + " had the prompt in its prefix cache from the handoff");
                continue;
            }
            return compare(node, alone);
        }
        return Row.notSeen(
                Check.TOKENS,
                reasons.isEmpty()
                        ? "no node's address is known; give the decode node's with --nodes decode=HOST:PORT"
                        : String.join("; ", reasons));
    }

    private static boolean isCached(Caller caller, ClusterNode node, MetricsSample before, Completion alone)
            throws InterruptedException {
        if (alone.usage().path("prompt_tokens_details").has("cached_tokens")) {
            return alone.cachedTokens() > 0;
        }
        return ClusterView.sample(caller, node.target())
                        .growth(before, CACHE_HITS)
                        .orElse(0)
                > 0;
    }

    /** Compares token ids where both sides tell them, else texts. */
    Row compare(ClusterNode node, Completion alone) {
        List<Integer> ours = disaggregated.output().tokenIds();
        List<Integer> theirs = alone.output().tokenIds();
        boolean hasIds = !ours.isEmpty() && !theirs.isEmpty();
        if (hasIds && !ours.equals(theirs)) {
            int at = 0;
            while (at < Math.min(ours.size(), theirs.size()) && ours.get(at).equals(theirs.get(at))) {
                at++;
            }
            return Row.failed(
                    Check.TOKENS,
                    "they differ from token " + (at + 1) + " on: " + shown(ours, at) + " disaggregated, "
                            + shown(theirs, at) + " by the " + node + " alone");
        }
        if (!hasIds && !disaggregated.output().text().equals(alone.output().text())) {
            return Row.failed(
                    Check.TOKENS,
                    "the texts differ (token ids are not reported): \""
                            + disaggregated.output().text() + "\" disaggregated, \""
                            + alone.output().text() + "\" by the " + node + " alone");
        }
        return Row.ok(
                Check.TOKENS,
                (hasIds ? "the same " + ours.size() + " tokens" : "the same text (token ids are not reported)")
                        + " as the " + node + " alone",
                Map.of("tokens", hasIds ? ours.size() : alone.completionTokens(), "ids", hasIds));
    }

    private static String shown(List<Integer> ids, int at) {
        return at < ids.size() ? ids.get(at).toString() : "none";
    }
}
