package dev.tandem.preflight.script;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.shell.Place;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Findings as they come, each once. */
final class Findings {
    private final Set<Finding> all = new LinkedHashSet<>();

    void error(Place place, String found, String mend) {
        add(new Finding(Severity.ERROR, place.toString(), found, mend));
    }

    void warning(Place place, String found, String mend) {
        add(new Finding(Severity.WARNING, place.toString(), found, mend));
    }

    void note(Place place, String found) {
        add(Finding.of(Severity.NOTE, place.toString(), found));
    }

    void add(Finding finding) {
        all.add(finding);
    }

    /** A sentence of a parser. */
    void refusal(Place place, String sentence) {
        add(Finding.refusal(place.toString(), sentence));
    }

    List<Finding> list() {
        return List.copyOf(all);
    }
}
