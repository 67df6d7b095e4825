package dev.tandem.ops.verify;

import java.util.Locale;
import java.util.Optional;

/**
 * A node behind the address that is verified, or that address itself.
 *
 * @param target where it answers
 * @param role what it does
 */
public record ClusterNode(Target target, Role role) {
    /** What a node does. */
    public enum Role {
        /** Computes prompts and lends their blocks. */
        PREFILL,
        /** Fetches them and generates. */
        DECODE,
        /** Either, as a request asks. */
        BOTH,
        /** All by itself. */
        AGGREGATED,
        /** Nobody has said. */
        UNKNOWN;

        static Role of(String word) {
            for (Role role : values()) {
                if (role.word().equals(word)) {
                    return role;
                }
            }
            return UNKNOWN;
        }

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Reads {@code HOST:PORT}, {@code prefill=HOST:PORT} or {@code decode=HOST:PORT}.
     *
     * @throws IllegalArgumentException saying what was found
     */
    public static ClusterNode parse(String text) {
        int equals = text.indexOf('=');
        if (equals < 0) {
            return new ClusterNode(Target.parse(text), Role.UNKNOWN);
        }
        Role role = Optional.of(Role.of(text.substring(0, equals)))
                .filter(known -> known == Role.PREFILL || known == Role.DECODE)
                .orElseThrow(() -> new IllegalArgumentException(
                        text + " must begin with prefill= or decode=, or be HOST:PORT alone"));
        return new ClusterNode(Target.parse(text.substring(equals + 1)), role);
    }

    boolean isPrefill() {
        return role == Role.PREFILL;
    }

    @Override
    public String toString() {
        return (role == Role.UNKNOWN ? "node" : role.word() + " node") + " " + target.authority();
    }
}
