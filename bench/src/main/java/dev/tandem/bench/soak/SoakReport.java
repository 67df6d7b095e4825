package dev.tandem.bench.soak;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What came of a soak.
 *
 * @param outcomes requests by how they ended
 * @param kills by process
 * @param faults one sentence for each wrong answer, lost block or process that did not come back; empty when all is well
 */
public record SoakReport(Map<String, Integer> outcomes, Map<String, Integer> kills, List<String> faults) {
    static SoakReport of(EnumMap<Outcome, Integer> outcomes, Map<String, Integer> kills, List<String> faults) {
        var named = new java.util.LinkedHashMap<String, Integer>();
        for (Outcome outcome : Outcome.values()) {
            named.put(outcome.sentence(), outcomes.getOrDefault(outcome, 0));
        }
        return new SoakReport(named, Map.copyOf(kills), List.copyOf(faults));
    }

    public boolean isWell() {
        return faults.isEmpty();
    }

    /** Answers that were complete and right. */
    public int equalAnswers() {
        return outcomes.getOrDefault(Outcome.EQUAL.sentence(), 0);
    }

    /** As a table. */
    public String text() {
        var text = new StringBuilder();
        outcomes.forEach((sentence, count) -> text.append(String.format("%6d  %s%n", count, sentence)));
        kills.forEach((name, count) -> text.append(String.format("%6d  kills of %s%n", count, name)));
        faults.forEach(fault -> text.append("fault: ").append(fault).append('\n'));
        return text.append(isWell() ? "well" : faults.size() + " faults")
                .append('\n')
                .toString();
    }
}
