package dev.tandem.text.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's {@code format % values}, with the conversions d, i, s, f and x, and a flag, width and precision of at most three digits. */
final class PythonFormat {
    private static final Pattern DIRECTIVE = Pattern.compile("%([-0]?)(\\d{0,3})(?:\\.(\\d{1,3}))?([dsifx%])");

    private PythonFormat() {}

    /** @param mayHaveMore whether surplus values are allowed, as Python allows dicts and lists */
    static String percent(String format, List<?> values, boolean mayHaveMore, TemplateBudget budget) {
        BoundedText text = new BoundedText(budget);
        Matcher directive = DIRECTIVE.matcher(format);
        int at = 0;
        int used = 0;
        for (int next = format.indexOf('%'); next >= 0; next = format.indexOf('%', at)) {
            text.append(format.substring(at, next));
            if (!directive.region(next, format.length()).lookingAt()) {
                throw new TemplateException("the format '%" + format.substring(next + 1) + "' is not supported");
            }
            at = directive.end();
            if (directive.group(4).equals("%")) {
                text.append('%');
                continue;
            }
            if (used >= values.size()) {
                throw new TemplateException("not enough values for the format");
            }
            text.append(padded(directive, converted(directive, values.get(used++), budget)));
        }
        if (used < values.size() && !mayHaveMore) {
            throw new TemplateException("more values than the format takes");
        }
        return text.append(format.substring(at)).toString();
    }

    private static String converted(Matcher directive, Object value, TemplateBudget budget) {
        String precision = directive.group(3);
        return switch (directive.group(4)) {
            case "s" -> {
                String text = PythonPrinter.text(value, budget);
                yield precision == null
                        ? text
                        : text.substring(0, Math.min(text.length(), Integer.parseInt(precision)));
            }
            case "f" -> {
                int digits = precision == null ? 6 : Integer.parseInt(precision);
                yield decimal(PythonValues.floating(value))
                        .setScale(digits, RoundingMode.HALF_EVEN)
                        .toPlainString();
            }
            case "x" -> Long.toString(PythonValues.integer(value, "%x's value"), 16);
            default ->
                value instanceof Double number
                        ? decimal(number).toBigInteger().toString()
                        : String.valueOf(PythonValues.integer(value, "%d's value"));
        };
    }

    private static BigDecimal decimal(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            throw new TemplateException("the format does not take " + PythonPrinter.floating(value));
        }
        return new BigDecimal(value);
    }

    private static String padded(Matcher directive, String text) {
        int width = directive.group(2).isEmpty() ? 0 : Integer.parseInt(directive.group(2));
        String padding = " ".repeat(Math.max(0, width - text.length()));
        if (directive.group(1).equals("-")) {
            return text + padding;
        }
        if (directive.group(1).equals("0") && !directive.group(4).equals("s")) {
            String sign = text.startsWith("-") ? "-" : "";
            return sign + padding.replace(' ', '0') + text.substring(sign.length());
        }
        return padding + text;
    }
}
