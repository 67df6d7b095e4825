package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.None;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Values of a call's arguments. */
record Arguments(List<Object> positional, Map<String, Object> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    static Arguments of(List<Object> positional) {
        return new Arguments(positional, Map.of());
    }

    /** The arguments after the first {@code count} positional ones. */
    Arguments without(int count) {
        return new Arguments(positional.subList(Math.min(count, positional.size()), positional.size()), named);
    }

    /**
     * Assigns the values to parameters.
     *
     * @throws TemplateException when there are too many, one is unknown or given twice
     */
    Bound bind(String callee, String... parameters) {
        if (positional.size() > parameters.length) {
            throw new TemplateException(
                    callee + " takes at most " + parameters.length + " arguments, not " + positional.size());
        }
        @Nullable Object[] values = new Object[parameters.length];
        for (int i = 0; i < positional.size(); i++) {
            values[i] = positional.get(i);
        }
        for (Map.Entry<String, Object> argument : named.entrySet()) {
            int index = List.of(parameters).indexOf(argument.getKey());
            if (index < 0 || values[index] != null) {
                String trouble = index < 0 ? " has no parameter '" : " gets two values for '";
                throw new TemplateException(callee + trouble + argument.getKey() + "'");
            }
            values[index] = argument.getValue();
        }
        return new Bound(callee, parameters, values);
    }

    /** Arguments by parameter index; absent ones give the default. */
    static final class Bound {
        private final String callee;
        private final String[] parameters;
        private final @Nullable Object[] values;

        private Bound(String callee, String[] parameters, @Nullable Object[] values) {
            this.callee = callee;
            this.parameters = parameters;
            this.values = values;
        }

        boolean has(int index) {
            return values[index] != null;
        }

        Object required(int index) {
            Object value = values[index];
            if (value == null) {
                throw new TemplateException(callee + " needs its argument '" + parameters[index] + "'");
            }
            return value;
        }

        Object value(int index, Object absent) {
            Object value = values[index];
            return value == null ? absent : value;
        }

        boolean flag(int index, boolean absent) {
            Object value = values[index];
            return value == null ? absent : PythonValues.isTrue(value);
        }

        /** An integer; {@code None} counts as absent. */
        long integer(int index, long absent) {
            Object value = values[index];
            if (value == null || value == None.NONE) {
                return absent;
            }
            return PythonValues.integer(value, callee + "'s '" + parameters[index] + "'");
        }

        /** A string; {@code None} counts as absent. */
        String string(int index, String absent) {
            Object value = values[index];
            if (value == null || value == None.NONE) {
                return absent;
            }
            if (value instanceof String text) {
                return text;
            }
            throw new TemplateException(
                    callee + "'s '" + parameters[index] + "' is " + PythonValues.typeName(value) + ", not str");
        }

        String requiredString(int index) {
            required(index);
            return string(index, "");
        }
    }
}
