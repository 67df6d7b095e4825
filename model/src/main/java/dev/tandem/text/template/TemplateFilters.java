package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.HashMap;
import java.util.Map;

/** What may stand behind a bar, by name. Behaviour is that of jinja2/filters.py, {@code tojson} that of transformers. */
final class TemplateFilters {
    interface Filter {
        Object apply(Object value, Arguments arguments, TemplateRun run);
    }

    private static final Map<String, Filter> FILTERS = filters();

    private TemplateFilters() {}

    static boolean isKnown(String name) {
        return FILTERS.containsKey(name);
    }

    static Object apply(String name, Object value, Arguments arguments, TemplateRun run) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw new TemplateException("the filter '" + name + "' is not known");
        }
        run.budget().step();
        run.budget().reading(value);
        return filter.apply(value, arguments, run);
    }

    private static Map<String, Filter> filters() {
        Map<String, Filter> filters = new HashMap<>(TextFilters.all());
        filters.putAll(SequenceFilters.all());
        filters.put("tojson", PythonJson::filter);
        filters.put("default", TemplateFilters::orDefault);
        filters.put("d", TemplateFilters::orDefault);
        filters.put("length", (value, arguments, run) -> PythonValues.length(value));
        filters.put("count", (value, arguments, run) -> PythonValues.length(value));
        filters.put("attr", TemplateFilters::attribute);
        filters.put("abs", (value, arguments, run) -> absolute(value));
        filters.put("round", TemplateFilters::round);
        filters.put("int", TemplateFilters::integer);
        filters.put("float", TemplateFilters::floating);
        return Map.copyOf(filters);
    }

    private static Object orDefault(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("default", "default_value", "boolean");
        boolean isMissing = value instanceof Undefined || (bound.flag(1, false) && !PythonValues.isTrue(value));
        return isMissing ? bound.value(0, "") : value;
    }

    private static Object attribute(Object value, Arguments arguments, TemplateRun run) {
        String name = arguments.bind("attr", "name").requiredString(0);
        return value instanceof Map
                ? new Undefined("dict has no attribute '" + name + "'")
                : Members.attribute(value, name, run);
    }

    private static Object absolute(Object value) {
        Object number = PythonArithmetic.numeric(value);
        return PythonValues.floating(number) < 0 ? PythonArithmetic.negate(number) : number;
    }

    private static Object round(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("round", "precision", "method");
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        return PythonArithmetic.round(value, bound.integer(0, 0), bound.string(1, "common"));
    }

    private static Object integer(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("int", "default", "base");
        Object absent = bound.value(0, 0L);
        long base = bound.integer(1, 10);
        if (base < 2 || base > 36) {
            throw new TemplateException("int's 'base' " + base + " is not in [2, 36]");
        }
        return switch (value) {
            case Undefined undefined -> throw undefined.failure();
            case Boolean truth -> truth ? 1L : 0L;
            case Double number ->
                Double.isNaN(number) || Math.abs(number) >= 0x1p63 ? absent : (Object) (long) (double) number;
            case Number number -> number;
            case String text -> parsedInteger(text, (int) base, absent);
            default -> absent;
        };
    }

    private static Object parsedInteger(String text, int base, Object absent) {
        String digits = PythonText.strip(text, true, true).replace("_", "");
        if (base == 16 && digits.startsWith("0x")) {
            digits = digits.substring(2);
        }
        try {
            return Long.parseLong(digits, base);
        } catch (NumberFormatException notAnInteger) {
            Object number = parsedFloat(text, None.NONE);
            boolean isWhole = number instanceof Double d && Math.abs(d) < 0x1p63;
            return isWhole && number instanceof Double d ? (Object) (long) (double) d : absent;
        }
    }

    private static Object floating(Object value, Arguments arguments, TemplateRun run) {
        Object absent = arguments.bind("float", "default").value(0, 0.0);
        return switch (value) {
            case Undefined undefined -> throw undefined.failure();
            case Boolean truth -> truth ? 1.0 : 0.0;
            case Number number -> number.doubleValue();
            case String text -> parsedFloat(text, absent);
            default -> absent;
        };
    }

    private static Object parsedFloat(String text, Object absent) {
        String digits = PythonText.strip(text, true, true);
        boolean isPlain = !digits.isEmpty() && digits.chars().allMatch(c -> "+-.eE0123456789".indexOf(c) >= 0);
        try {
            return isPlain ? (Object) Double.parseDouble(digits) : absent;
        } catch (NumberFormatException notANumber) {
            return absent;
        }
    }
}
