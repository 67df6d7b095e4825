package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.Optional;

/**
 * What one query of one device said.
 *
 * @param severity how bad it is
 * @param value what the table shows: an address, a state; empty when the answer has none
 * @param found the same as a sentence
 * @param mend what to do; empty when nothing is to be done
 */
record Reading(Severity severity, Optional<String> value, String found, String mend) {
    static Reading well(String value) {
        return new Reading(Severity.WELL, Optional.of(value), value, "");
    }

    static Reading note(String value, String found) {
        return new Reading(Severity.NOTE, Optional.of(value), found, "");
    }

    /** A value that is not as it should be. */
    static Reading of(Severity severity, String value, String mend) {
        return new Reading(severity, Optional.of(value), value, mend);
    }

    /** No value. */
    static Reading error(String found, String mend) {
        return new Reading(Severity.ERROR, Optional.empty(), found, mend);
    }

    /** What stands in the table's cell. */
    String cell() {
        String text = value.orElse("-");
        return severity == Severity.ERROR ? "!! " + text : text;
    }

    Finding finding(String subject) {
        return new Finding(severity, subject, found, mend);
    }
}
