package dev.tandem.node.flags;

/**
 * One flag of {@code tandem serve}.
 *
 * @param name with hyphens, without the leading two
 * @param kind what follows it
 * @param group heading in the help, as vLLM groups them
 * @param help one line: meaning, unit, default
 * @param noEffect why it is accepted and does nothing; empty for flags that act
 */
public record Flag(String name, Kind kind, String group, String help, String noEffect) {
    /** What follows a flag. */
    public enum Kind {
        TEXT,
        /** One or more values. */
        TEXTS,
        /** A whole number; {@code 32k} is 32,000 and {@code 32K} is 32,768, as in vLLM. */
        WHOLE,
        NUMBER,
        JSON,
        /** Nothing; {@code --no-NAME} switches it off. */
        SWITCH
    }

    static Flag acting(String name, Kind kind, String group, String help) {
        return new Flag(name, kind, group, help, "");
    }

    static Flag withoutEffect(String name, Kind kind, String group, String reason) {
        return new Flag(name, kind, group, "accepted, no effect: " + reason, reason);
    }

    public boolean hasEffect() {
        return noEffect.isEmpty();
    }
}
