package dev.tandem.parallel;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The sizes of a model that tensor-parallel ranks cut into equal parts, and the rule for the number of ranks that follows from them:
 * it divides every size, and it divides the number of KV heads or is a multiple of it.
 *
 * @param sizes what is cut, by name, in the order in which a message lists them
 * @param kvHeads heads of the KV cache, replicated when there are more ranks than heads
 */
public record Partition(SequencedMap<String, Integer> sizes, int kvHeads) {
    public Partition {
        sizes = new LinkedHashMap<>(sizes);
    }

    /** Whether a group of {@code tpSize} ranks can share the model. */
    public boolean allows(int tpSize) {
        return problems(tpSize).isEmpty();
    }

    /** All group sizes that can share the model, ascending. */
    public List<Integer> allowedSizes() {
        int largest = kvHeads;
        for (int size : sizes.values()) {
            largest = Math.max(largest, size);
        }
        var allowed = new ArrayList<Integer>();
        for (int tpSize = 1; tpSize <= largest; tpSize++) {
            if (allows(tpSize)) {
                allowed.add(tpSize);
            }
        }
        return allowed;
    }

    /**
     * Refuses a group size that does not fit.
     *
     * @throws IllegalArgumentException when it does not; the message names every size that it does not divide, and the group sizes that fit
     */
    public void require(int tpSize) {
        List<String> problems = problems(tpSize);
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("tensor parallel size " + tpSize + " does not fit "
                    + String.join(", ", problems) + "; sizes that fit: " + allowedSizes());
        }
    }

    private List<String> problems(int tpSize) {
        var problems = new ArrayList<String>();
        for (Map.Entry<String, Integer> size : sizes.entrySet()) {
            if (size.getValue() % tpSize != 0) {
                problems.add(size.getKey() + " " + size.getValue());
            }
        }
        if (kvHeads % tpSize != 0 && tpSize % kvHeads != 0) {
            problems.add("KV heads " + kvHeads);
        }
        return problems;
    }
}
