package dev.tandem.preflight;

import dev.tandem.api.OneLine;

/**
 * One thing that was looked at.
 *
 * @param severity how bad it is
 * @param subject what was looked at: a device and a query, a file and its line, a port, a limit
 * @param found what is there, with its figure
 * @param fix what to do about it; empty when nothing is to be done
 */
public record Finding(Severity severity, String subject, String found, String fix) {

    /** From good to bad. */
    public enum Severity {
        /** The subject is as it should be. */
        WELL,
        /** The finding is a fact without a limit, or names something that is accepted and has no effect. */
        NOTE,
        /** The subject works, but not as its author may think. */
        WARNING,
        /** The subject will not work. */
        ERROR
    }

    /** What was found may be the word of a peer or of a file. */
    public Finding {
        subject = OneLine.of(subject);
        found = OneLine.of(found);
        fix = OneLine.of(fix);
    }

    /** A finding about which nothing is to be done. */
    public static Finding of(Severity severity, String subject, String found) {
        return new Finding(severity, subject, found, "");
    }

    /**
     * A parser's refusal as an error: what stands behind the sentence's first semicolon says how to fix it.
     *
     * @param sentence such as {@code unknown flag --prot; the nearest is --port}
     */
    public static Finding refusal(String subject, String sentence) {
        int semicolon = sentence.indexOf("; ");
        return semicolon < 0
                ? new Finding(Severity.ERROR, subject, sentence, "correct it")
                : new Finding(
                        Severity.ERROR, subject, sentence.substring(0, semicolon), sentence.substring(semicolon + 2));
    }

    /** Whether a deployment with this finding must not start. */
    public boolean isError() {
        return severity == Severity.ERROR;
    }
}
