package dev.tandem.node.flags;

import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;

/**
 * One flag of a {@link FlagTable}.
 *
 * @param name with hyphens, without the leading two
 * @param kind what follows it
 * @param group heading in the help, as vLLM groups its flags
 * @param help one line: meaning, unit, default; of flags that do not act, why not
 * @param effect what it does here
 * @param guidePosition where the deployment guides write it among the others; empty when they do not use it
 */
public record Flag(String name, Kind kind, String group, String help, Effect effect, OptionalInt guidePosition) {
    /** What follows a flag. */
    public enum Kind {
        TEXT,
        /** One or more values. */
        TEXTS,
        /** The same; a flag that comes again adds to what it said before. */
        LIST,
        /** A value or none. */
        OPTIONAL,
        /** {@code user@} or nothing. */
        USER,
        /** A whole number; {@code 32k} is 32,000 and {@code 32K} is 32,768, as in vLLM. */
        WHOLE,
        NUMBER,
        /** A JSON object, whole or by dotted keys. */
        JSON,
        /** Nothing; {@code --no-NAME} switches it off where the table has vLLM's habit. */
        SWITCH
    }

    /** What a flag that belongs to another program does here. */
    public sealed interface Effect {
        /** What it says. */
        record Acts() implements Effect {}

        /** Nothing, and nothing is missing: the help says why. */
        record None() implements Effect {}

        /**
         * The process does not start, since it would answer otherwise than asked for.
         *
         * @param harmless values that ask for what happens anyway
         */
        record Refused(List<String> harmless) implements Effect {
            public Refused {
                harmless = List.copyOf(harmless);
            }

            /** Whether a value asks for no more than what happens anyway. */
            boolean isHarmless(String value) {
                return harmless.contains(value.toLowerCase(Locale.ROOT));
            }
        }
    }

    /** Whether more than one value may follow it. */
    boolean takesSeveral() {
        return kind == Kind.TEXTS || kind == Kind.LIST;
    }

    /** Whether it does what it says. */
    public boolean acts() {
        return effect instanceof Effect.Acts;
    }
}
