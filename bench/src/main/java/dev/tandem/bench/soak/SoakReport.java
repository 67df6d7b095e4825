package dev.tandem.bench.soak;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What came of a soak.
 *
 * @param outcomes requests by how they ended
 * @param inflicted faults that were done, by kind and process
 * @param slowest longest time of a request that was answered or told an error
 * @param problems one sentence for each wrong, late or broken answer, lost block or process that did not come back; empty when all is well
 */
public record SoakReport(
        Map<String, Integer> outcomes, Map<String, Integer> inflicted, Duration slowest, List<String> problems) {
    static SoakReport of(
            Map<Outcome, Integer> outcomes, Map<String, Integer> inflicted, Duration slowest, List<String> problems) {
        var named = new LinkedHashMap<String, Integer>();
        for (Outcome outcome : Outcome.values()) {
            named.put(outcome.sentence(), outcomes.getOrDefault(outcome, 0));
        }
        return new SoakReport(named, new LinkedHashMap<>(inflicted), slowest, List.copyOf(problems));
    }

    public boolean isWell() {
        return problems.isEmpty();
    }

    /** Answers that were complete and right. */
    public int equalAnswers() {
        return outcomes.getOrDefault(Outcome.EQUAL.sentence(), 0);
    }

    /** As a table. */
    public String text() {
        var text = new StringBuilder();
        outcomes.forEach((sentence, count) -> text.append(String.format("%6d  %s%n", count, sentence)));
        text.append(String.format("%6.1f  seconds of the slowest answer or error%n", slowest.toMillis() / 1e3));
        inflicted.forEach((name, count) -> text.append(String.format("%6d  %s%n", count, name)));
        problems.forEach(problem -> text.append("problem: ").append(problem).append('\n'));
        return text.append(isWell() ? "well" : problems.size() + " problems")
                .append('\n')
                .toString();
    }
}
