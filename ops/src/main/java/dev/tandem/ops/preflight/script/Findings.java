package dev.tandem.ops.preflight.script;

import dev.tandem.ops.preflight.Finding;
import dev.tandem.ops.preflight.Finding.Severity;
import dev.tandem.ops.preflight.shell.Place;
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

    /**
     * A sentence of a parser: what stands behind its first semicolon says what would do.
     *
     * @param sentence such as {@code unknown flag --prot; the nearest is --port}
     */
    void refusal(Place place, String sentence) {
        int semicolon = sentence.indexOf("; ");
        if (semicolon < 0) {
            error(place, sentence, "correct it");
        } else {
            error(place, sentence.substring(0, semicolon), sentence.substring(semicolon + 2));
        }
    }

    List<Finding> list() {
        return List.copyOf(all);
    }
}
