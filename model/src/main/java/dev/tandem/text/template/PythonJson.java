package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Python's {@code json.dumps}, as {@code transformers} gives it to templates: no HTML escaping, characters beyond ASCII as they are. */
final class PythonJson {
    private static final int MAX_INDENT = 64;

    /**
     * @param indent text per level, empty for line breaks alone, null-like {@code "\0"} for everything on one line
     */
    private record Style(boolean isAscii, String indent, String itemSeparator, String keySeparator, boolean sortsKeys) {
        boolean isCompact() {
            return indent.equals(ONE_LINE);
        }
    }

    private static final String ONE_LINE = "\0";

    private final Style style;
    private final BoundedText text;
    private final TemplateBudget budget;

    private PythonJson(Style style, TemplateBudget budget) {
        this.style = style;
        this.budget = budget;
        this.text = new BoundedText(budget);
    }

    /** The {@code tojson} filter. */
    static Object filter(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        String indent = indent(bound.value(1, None.NONE));
        String itemSeparator = indent.equals(ONE_LINE) ? ", " : ",";
        String keySeparator = ": ";
        if (bound.value(2, None.NONE) instanceof List<?> pair) {
            if (pair.size() != 2 || !(pair.get(0) instanceof String item) || !(pair.get(1) instanceof String key)) {
                throw new TemplateException("tojson's 'separators' is not a pair of strings");
            }
            itemSeparator = item;
            keySeparator = key;
        }
        Style style = new Style(bound.flag(0, false), indent, itemSeparator, keySeparator, bound.flag(3, false));
        PythonJson json = new PythonJson(style, run.budget());
        json.write(value, 0);
        return json.text.toString();
    }

    private static String indent(Object value) {
        if (value instanceof None) {
            return ONE_LINE;
        }
        if (value instanceof String unit && unit.length() <= MAX_INDENT) {
            return unit;
        }
        long width = Math.max(0, PythonValues.integer(value, "tojson's 'indent'"));
        if (width > MAX_INDENT) {
            throw new TemplateException("tojson's 'indent' " + width + " exceeds " + MAX_INDENT);
        }
        return " ".repeat((int) width);
    }

    private void write(Object value, int level) {
        budget.enter();
        switch (value) {
            case None none -> text.append("null");
            case Boolean truth -> text.append(truth ? "true" : "false");
            case Double number -> text.append(floating(number));
            case Number number -> text.append(number.toString());
            case String string -> quote(string);
            case List<?> list -> array(list, level);
            case Map<?, ?> map -> object(map, level);
            case Undefined undefined -> throw undefined.failure();
            default -> throw new TemplateException(PythonValues.typeName(value) + " is not JSON serializable");
        }
        budget.leave();
    }

    private void array(List<?> list, int level) {
        text.append('[');
        for (int i = 0; i < list.size(); i++) {
            separate(i == 0, level + 1);
            write(list.get(i), level + 1);
        }
        close(list.isEmpty(), level);
        text.append(']');
    }

    private void object(Map<?, ?> map, int level) {
        text.append('{');
        boolean isFirst = true;
        for (Map.Entry<?, ?> entry : (style.sortsKeys() ? sorted(map) : map).entrySet()) {
            separate(isFirst, level + 1);
            quote(key(entry.getKey()));
            text.append(style.keySeparator());
            write(entry.getValue(), level + 1);
            isFirst = false;
        }
        close(map.isEmpty(), level);
        text.append('}');
    }

    private Map<?, ?> sorted(Map<?, ?> map) {
        TreeMap<Object, Object> sorted = new TreeMap<>((a, b) -> PythonValues.compare(a, b, budget));
        sorted.putAll(map);
        return sorted;
    }

    private void separate(boolean isFirst, int level) {
        if (!isFirst) {
            text.append(style.itemSeparator());
        }
        breakLine(level);
    }

    private void close(boolean isEmpty, int level) {
        if (!isEmpty) {
            breakLine(level);
        }
    }

    private void breakLine(int level) {
        if (!style.isCompact()) {
            text.append('\n');
            for (int i = 0; i < level; i++) {
                text.append(style.indent());
            }
        }
    }

    private static String key(Object key) {
        return switch (key) {
            case String text -> text;
            case None none -> "null";
            case Boolean truth -> truth ? "true" : "false";
            case Double number -> floating(number);
            default -> key.toString();
        };
    }

    private static String floating(double number) {
        if (Double.isInfinite(number)) {
            return number > 0 ? "Infinity" : "-Infinity";
        }
        return Double.isNaN(number) ? "NaN" : PythonPrinter.floating(number);
    }

    private void quote(String string) {
        text.append('"');
        for (int i = 0; i < string.length(); i++) {
            char character = string.charAt(i);
            switch (character) {
                case '"' -> text.append("\\\"");
                case '\\' -> text.append("\\\\");
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                case '\t' -> text.append("\\t");
                case '\b' -> text.append("\\b");
                case '\f' -> text.append("\\f");
                default -> {
                    if (character < ' ' || (style.isAscii() && character > '~')) {
                        text.append(String.format("\\u%04x", (int) character));
                    } else {
                        text.append(character);
                    }
                }
            }
        }
        text.append('"');
    }
}
