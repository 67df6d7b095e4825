package dev.tandem.preflight.npu;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.Optional;

/**
 * What one query of one device said.
 *
 * @param severity how bad it is
 * @param value what the table shows: an address, a state; empty when the answer has none
 * @param found the value as a sentence
 * @param fix what to do; empty when nothing is to be done
 */
record DeviceReading(Severity severity, Optional<String> value, String found, String fix) {
    static DeviceReading well(String value) {
        return new DeviceReading(Severity.WELL, Optional.of(value), value, "");
    }

    static DeviceReading note(String value, String found) {
        return new DeviceReading(Severity.NOTE, Optional.of(value), found, "");
    }

    /** A value that is not as it should be. */
    static DeviceReading of(Severity severity, String value, String fix) {
        return new DeviceReading(severity, Optional.of(value), value, fix);
    }

    /** No value. */
    static DeviceReading error(String found, String fix) {
        return new DeviceReading(Severity.ERROR, Optional.empty(), found, fix);
    }

    /** Text of the table's cell. */
    String cell() {
        String text = value.orElse("-");
        return severity == Severity.ERROR ? "!! " + text : text;
    }

    Finding finding(String subject) {
        return new Finding(severity, subject, found, fix);
    }
}
