package dev.tandem.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Keys and values of a configuration that remembers which of them were read, so that what nothing reads can be refused. Values are
 * String, Long, Double, Boolean, List and Map, or {@link #NULL}. A null counts as absent. Used while a checkpoint is opened, by one
 * thread.
 */
final class Settings {
    /** Stands for JSON's null. */
    static final Object NULL = new Object() {
        @Override
        public String toString() {
            return "null";
        }
    };

    private final Path file;
    private final String prefix;
    private final Map<String, Object> values;
    private final Set<String> read = new HashSet<>();

    Settings(Path file, Map<String, Object> values) {
        this(file, "", values);
    }

    private Settings(Path file, String prefix, Map<String, Object> values) {
        this.file = file;
        this.prefix = prefix;
        this.values = values;
    }

    Path file() {
        return file;
    }

    private Optional<Object> value(String key) {
        read.add(key);
        Object value = values.getOrDefault(key, NULL);
        return NULL.equals(value) ? Optional.empty() : Optional.of(value);
    }

    boolean has(String key) {
        return !NULL.equals(values.getOrDefault(key, NULL));
    }

    /** All keys, also those whose value is null. */
    Set<String> keys() {
        return values.keySet();
    }

    CheckpointException refuse(String key, String expected) {
        Object found = values.containsKey(key) ? values.get(key) : "nothing";
        return CheckpointException.refuse(file, prefix + key, expected, found);
    }

    Optional<Integer> optionalInteger(String key, int min, int max) {
        return value(key).map(value -> {
            if (value instanceof Long number && number >= min && number <= max) {
                return number.intValue();
            }
            throw refuse(key, "an integer of " + min + " to " + max);
        });
    }

    int integer(String key, int min, int max) {
        return optionalInteger(key, min, max).orElseThrow(() -> refuse(key, "an integer of " + min + " to " + max));
    }

    /** An integer, a list of them, or nothing. */
    List<Integer> integers(String key, int min, int max) {
        if (!(value(key).orElse(List.of()) instanceof List<?> list)) {
            return List.of(integer(key, min, max));
        }
        var integers = new ArrayList<Integer>();
        for (Object entry : list) {
            if (!(entry instanceof Long number) || number < min || number > max) {
                throw refuse(key, "integers of " + min + " to " + max);
            }
            integers.add(number.intValue());
        }
        return integers;
    }

    Optional<Double> optionalDecimal(String key, double min, double max) {
        return value(key).map(value -> {
            double number = value instanceof Number any ? any.doubleValue() : Double.NaN;
            if (number >= min && number <= max) {
                return number;
            }
            throw refuse(key, "a number of " + min + " to " + max);
        });
    }

    double decimal(String key, double min, double max) {
        return optionalDecimal(key, min, max).orElseThrow(() -> refuse(key, "a number of " + min + " to " + max));
    }

    Optional<Boolean> optionalFlag(String key) {
        return value(key).map(value -> {
            if (value instanceof Boolean flag) {
                return flag;
            }
            throw refuse(key, "true or false");
        });
    }

    boolean flag(String key) {
        return optionalFlag(key).orElseThrow(() -> refuse(key, "true or false"));
    }

    Optional<String> optionalText(String key) {
        return value(key).map(value -> {
            if (value instanceof String text) {
                return text;
            }
            throw refuse(key, "a text");
        });
    }

    String text(String key) {
        return optionalText(key).orElseThrow(() -> refuse(key, "a text"));
    }

    List<?> list(String key) {
        return (List<?>) value(key).filter(List.class::isInstance).orElseThrow(() -> refuse(key, "a list"));
    }

    /** A group of keys inside this one, to be read and {@linkplain #refuseUnread closed} by the caller. */
    @SuppressWarnings("unchecked") // maps come from the JSON reader, whose keys are text
    Optional<Settings> group(String key) {
        return value(key).map(value -> {
            if (value instanceof Map<?, ?> map) {
                return new Settings(file, prefix + key + ".", (Map<String, Object>) map);
            }
            throw refuse(key, "a group of keys");
        });
    }

    /** Refuses the key unless it is absent, null, or one of the values with which it changes nothing. */
    void requireHarmless(String key, List<?> harmless) {
        value(key).ifPresent(value -> {
            boolean known = harmless.stream()
                    .anyMatch(allowed -> allowed.equals(value)
                            || (allowed instanceof Number wanted
                                    && value instanceof Number number
                                    && wanted.doubleValue() == number.doubleValue()));
            if (!known) {
                throw refuse(key, harmless + " (other values are not implemented)");
            }
        });
    }

    /**
     * Refuses keys that nothing read.
     *
     * @param ignorable keys that change no token, with the reason; one that ends with a dot stands for all keys that begin with it
     */
    void refuseUnread(Map<String, String> ignorable) {
        var unread = new TreeSet<>(values.keySet());
        unread.removeAll(read);
        unread.removeIf(key -> ignorable.containsKey(key)
                || ignorable.keySet().stream().anyMatch(start -> start.endsWith(".") && key.startsWith(start)));
        if (!unread.isEmpty()) {
            throw refuse(unread.first(), "no key that nothing reads");
        }
    }
}
