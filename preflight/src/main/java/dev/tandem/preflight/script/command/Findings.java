package dev.tandem.preflight.script.command;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.script.shell.SourceLocation;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Findings as they come, each once. */
public final class Findings {
    private final Set<Finding> all = new LinkedHashSet<>();

    public void error(SourceLocation location, String found, String fix) {
        add(new Finding(Severity.ERROR, location.toString(), found, fix));
    }

    public void warning(SourceLocation location, String found, String fix) {
        add(new Finding(Severity.WARNING, location.toString(), found, fix));
    }

    public void note(SourceLocation location, String found) {
        add(Finding.of(Severity.NOTE, location.toString(), found));
    }

    public void add(Finding finding) {
        all.add(finding);
    }

    /** A sentence of a parser. */
    public void refusal(SourceLocation location, String sentence) {
        add(Finding.refusal(location.toString(), sentence));
    }

    public List<Finding> list() {
        return List.copyOf(all);
    }
}
