package dev.tandem.cli;

import dev.tandem.node.flags.WholeNumber;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What values of flags may be. The message of a refusal follows the flag's name. */
final class Value {
    private Value() {}

    /** A whole number within {@code [min, max]}; {@code 64MiB}, {@code 32k} and their like are whole numbers too. */
    static ITypeConverter<Long> whole(long min, long max) {
        return text -> {
            long value = WholeNumber.parse(text)
                    .orElseThrow(() ->
                            new TypeConversionException("must be a whole number, such as 4096 or 32k, not " + text));
            if (value < min || value > max) {
                throw new TypeConversionException(text + " is outside [" + min + ", " + max + "]");
            }
            return value;
        };
    }

    /** A whole number of this range that fits an {@code int}. */
    static ITypeConverter<Integer> count(int min, int max) {
        ITypeConverter<Long> whole = whole(min, max);
        return text -> whole.convert(text).intValue();
    }

    /** A time above 0 and of at most {@code max} seconds, given in seconds. */
    static ITypeConverter<Duration> seconds(int max) {
        return text -> {
            try {
                double seconds = Double.parseDouble(text);
                if (seconds > 0 && seconds <= max) {
                    return Duration.ofNanos((long) (seconds * 1e9));
                }
            } catch (NumberFormatException e) {
                throw new TypeConversionException("must be a number of seconds, not " + text);
            }
            throw new TypeConversionException(text + " is outside (0, " + max + "] seconds");
        };
    }

    /** A time of 1 to {@code max} whole seconds. */
    static ITypeConverter<Duration> wholeSeconds(int max) {
        ITypeConverter<Integer> count = count(1, max);
        return text -> Duration.ofSeconds(count.convert(text));
    }

    /** One of a few words. */
    static ITypeConverter<String> word(String... known) {
        return text -> {
            if (List.of(known).contains(text)) {
                return text;
            }
            throw new TypeConversionException("must be one of " + String.join(", ", known) + ", not " + text);
        };
    }

    /** What a reader makes of a text; it refuses with an {@link IllegalArgumentException}. */
    static <T> ITypeConverter<T> of(Function<String, T> reader) {
        return text -> {
            try {
                return reader.apply(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        };
    }
}
