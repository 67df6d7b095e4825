package dev.tandem.text;

import dev.tandem.text.PatternNode.Branch;
import java.util.ArrayList;
import java.util.List;

/**
 * How much a split pattern may cost the native library's matcher, which tries again with every choice it has when something does not fit:
 * over 10,000,000 tries in one attempt abort the whole process (Oniguruma's limit, which its wrapper turns into a panic). A part multiplies
 * the tries by its choices when something behind it can fail; so a repetition within a repetition has no bound but an exponential one, and
 * is refused. Counts are from above. Pure.
 */
final class Backtracking {
    /** Tries of one attempt, a little below the library's own limit. */
    private static final double MAX_TRIES = 9.9e6;
    /** Characters that a search may read where attempts read ahead in vain, again from each place: some seconds. */
    private static final double MAX_READ = 1 << 30;
    /** Highest power of the text's length that is told apart from no bound. */
    private static final int MAX_DEGREE = 3;

    private final SplitPattern pattern;

    private Backtracking(SplitPattern pattern) {
        this.pattern = pattern;
    }

    /** Tries of one attempt and what it reads in vain. */
    private static final class Cost {
        static final Cost NOTHING = of(0, 0, 0);
        static final Cost ONE_TRY = of(1, 0, 0);

        /** [power of the text's length] */
        private final double[] tries;
        /** Power of the text's length that each try reads without a choice. */
        private final int reads;

        private Cost(double[] tries, int reads) {
            this.tries = tries;
            this.reads = reads;
        }

        static Cost of(double constant, double linear, int reads) {
            return new Cost(new double[] {constant, linear, 0, 0}, reads);
        }

        Cost plus(Cost other) {
            double[] sum = tries.clone();
            for (int power = 0; power <= MAX_DEGREE; power++) {
                sum[power] += other.tries[power];
            }
            return new Cost(sum, Math.max(reads, other.reads));
        }

        Cost times(Cost other) {
            double[] product = new double[MAX_DEGREE + 1];
            for (int left = 0; left <= MAX_DEGREE; left++) {
                for (int right = 0; right <= MAX_DEGREE; right++) {
                    double factor = tries[left] * other.tries[right];
                    if (factor > 0) {
                        int power = left + right;
                        product[Math.min(power, MAX_DEGREE)] += power > MAX_DEGREE ? Double.POSITIVE_INFINITY : factor;
                    }
                }
            }
            return new Cost(product, reads + other.reads);
        }

        double triesAt(double characters) {
            double sum = 0;
            for (int power = MAX_DEGREE; power >= 0; power--) {
                sum = sum * characters + tries[power];
            }
            return sum;
        }
    }

    /**
     * The longest text on which the pattern stays within the bounds, at most {@code most} characters.
     *
     * @throws TokenizerException when the pattern repeats repetitions, or otherwise has no bound
     */
    static int longestText(SplitPattern pattern, int most) {
        Backtracking judge = new Backtracking(pattern);
        boolean[] isKnown = KnownParts.find(pattern.branches());
        Cost attempt = Cost.NOTHING;
        List<Cost> searches = new ArrayList<>();
        for (int i = 0; i < isKnown.length; i++) {
            Cost branch = judge.ofNodes(pattern.branches().get(i).nodes(), false);
            attempt = attempt.plus(branch);
            if (!isKnown[i]) {
                searches.add(branch);
            }
        }
        int low = 0;
        int high = most;
        while (low < high) {
            int middle = low + (high - low + 1) / 2;
            if (attempt.triesAt(middle) <= MAX_TRIES && readAt(middle, searches) <= MAX_READ) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /** Characters that a search reads in vain: each place may be the start of an attempt. */
    private static double readAt(double characters, List<Cost> branches) {
        double sum = 0;
        for (Cost branch : branches) {
            sum += characters * branch.triesAt(characters) * Math.pow(characters, branch.reads);
        }
        return sum;
    }

    private Cost ofBranches(List<Branch> branches, boolean canFailLater) {
        Cost sum = Cost.NOTHING;
        for (Branch branch : branches) {
            sum = sum.plus(ofNodes(branch.nodes(), canFailLater));
        }
        return sum;
    }

    /** Up to the last part that can fail choices multiply; what stands behind it is tried once. */
    private Cost ofNodes(List<PatternNode> nodes, boolean canFailLater) {
        int last = nodes.size() - 1;
        while (!canFailLater && last >= 0 && !nodes.get(last).canFail()) {
            last--;
        }
        Cost product = Cost.ONE_TRY;
        for (int i = 0; i <= last; i++) {
            product = product.times(ofNode(nodes.get(i), canFailLater || i < last));
        }
        for (int i = last + 1; i < nodes.size(); i++) {
            product = product.plus(ofNode(nodes.get(i), false));
        }
        return product;
    }

    private Cost ofNode(PatternNode node, boolean canFailLater) {
        return switch (node) {
            case PatternNode.OneCharacter character -> Cost.ONE_TRY;
            case PatternNode.Anchor anchor -> Cost.ONE_TRY;
            case PatternNode.Look look -> ofLook(look);
            case PatternNode.Group group -> ofBranches(group.branches(), canFailLater);
            case PatternNode.Repeat repeat -> ofRepeat(repeat, canFailLater);
        };
    }

    /** Looking around reads what the match may not take, so that the next attempt reads it again. */
    private Cost ofLook(PatternNode.Look look) {
        if (look.isBehind() && PatternNode.unboundedRepeats(look.branches()) > 0) {
            throw pattern.refused("a repetition without limit in what it looks back at", look.at());
        }
        return ofBranches(look.branches(), true);
    }

    private Cost ofRepeat(PatternNode.Repeat repeat, boolean canFailLater) {
        PatternNode node = repeat.node();
        if (repeat.max() <= 1) {
            return ofNode(node, canFailLater).plus(repeat.min() == 0 ? Cost.ONE_TRY : Cost.NOTHING);
        }
        if (node.unboundedRepeats() > 0 || node.canBeEmpty()) {
            throw pattern.refused("a repetition within a repetition", repeat.at());
        }
        double ways = ofNode(node, true).tries[0];
        if (ways > 1 && repeat.isUnbounded()) {
            throw pattern.refused("a repetition of what can fit in several ways", repeat.at());
        }
        if (!canFailLater) {
            return Cost.of(Math.pow(ways, repeat.isUnbounded() ? 1 : repeat.max()), 0, 0);
        }
        if (repeat.isUnbounded()) {
            return repeat.isPossessive() ? Cost.of(1, 0, 1) : Cost.of(1, 1, 0);
        }
        double lengths = repeat.isPossessive() ? 1 : repeat.max() - repeat.min() + 1.0;
        return Cost.of(lengths * Math.pow(ways, repeat.max()), 0, 0);
    }
}
