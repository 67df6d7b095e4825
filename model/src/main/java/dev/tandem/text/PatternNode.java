package dev.tandem.text;

import java.util.List;

/** One part of a split pattern as {@link PatternReader} reads it. Which characters a part takes is left out: the bounds do not need it. */
sealed interface PatternNode {
    /** A {@link Repeat#max} without limit. */
    int UNBOUNDED = Integer.MAX_VALUE;

    /** What stands between two bars, with its own text. */
    record Branch(String text, List<PatternNode> nodes) {}

    /** One character: a literal, a class, a dot. */
    record OneCharacter() implements PatternNode {}

    /** A place such as {@code $} or {@code \b}, which takes no character. */
    record Anchor() implements PatternNode {}

    /** Branches that must, or must not, fit here; takes no character. */
    record Look(List<Branch> branches, boolean isBehind, int at) implements PatternNode {}

    /** Branches in parentheses. */
    record Group(List<Branch> branches) implements PatternNode {}

    /**
     * A part again and again.
     *
     * @param isPossessive whether nothing is given back
     * @param at where the repetition is written in the pattern, counted from 0
     */
    record Repeat(PatternNode node, int min, int max, boolean isPossessive, int at) implements PatternNode {
        boolean isUnbounded() {
            return max == UNBOUNDED;
        }
    }

    /** Whether the part may find nothing that fits, so that the search goes back to what stands before it. */
    default boolean canFail() {
        return switch (this) {
            case OneCharacter character -> true;
            case Anchor anchor -> true;
            case Look look -> true;
            case Group group -> group.branches().stream().allMatch(branch -> anyCanFail(branch.nodes()));
            case Repeat repeat -> repeat.min() > 0 && repeat.node().canFail();
        };
    }

    private static boolean anyCanFail(List<PatternNode> nodes) {
        return nodes.stream().anyMatch(PatternNode::canFail);
    }

    /** Whether the part may take no character at all. */
    default boolean canBeEmpty() {
        return switch (this) {
            case OneCharacter character -> false;
            case Anchor anchor -> true;
            case Look look -> true;
            case Group group -> canBeEmpty(group.branches());
            case Repeat repeat -> repeat.min() == 0 || repeat.node().canBeEmpty();
        };
    }

    /** Whether one of the branches may take no character at all. */
    static boolean canBeEmpty(List<Branch> branches) {
        return branches.stream().anyMatch(branch -> branch.nodes().stream().allMatch(PatternNode::canBeEmpty));
    }

    /** Repetitions without limit within the part. */
    default int unboundedRepeats() {
        return switch (this) {
            case OneCharacter character -> 0;
            case Anchor anchor -> 0;
            case Look look -> unboundedRepeats(look.branches());
            case Group group -> unboundedRepeats(group.branches());
            case Repeat repeat -> (repeat.isUnbounded() ? 1 : 0) + repeat.node().unboundedRepeats();
        };
    }

    /** The most repetitions without limit within one of the branches. */
    static int unboundedRepeats(List<Branch> branches) {
        return branches.stream()
                .mapToInt(branch -> branch.nodes().stream()
                        .mapToInt(PatternNode::unboundedRepeats)
                        .sum())
                .max()
                .orElse(0);
    }
}
