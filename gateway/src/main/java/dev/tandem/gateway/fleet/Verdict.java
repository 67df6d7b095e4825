package dev.tandem.gateway.fleet;

/**
 * What is known of a node's health. Immutable.
 *
 * @param kind the verdict
 * @param cause why, where it is not UP
 * @param sinceNs when it was reached
 */
public record Verdict(Kind kind, String cause, long sinceNs) {
    /** Kinds of verdicts; requests go to nodes that are UP only. */
    public enum Kind {
        /** Nobody has asked yet. */
        UNKNOWN,
        /** It serves. */
        UP,
        /** It refuses connections, or reports that it is unhealthy. */
        DOWN,
        /** It takes connections perhaps, and answers nothing: stopped, or cut off. Calls that wait for it are given up. */
        HUNG,
        /** It answers, but runs what the gateway cannot use. */
        MISFIT
    }
}
