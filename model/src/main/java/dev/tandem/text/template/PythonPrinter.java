package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Namespace;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Range;
import dev.tandem.text.template.TemplateValues.Tuple;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.Map;

/** Python's {@code str()} and {@code repr()}. */
final class PythonPrinter {
    private PythonPrinter() {}

    /** {@code str(value)}: what a template prints. */
    static String text(Object value, TemplateBudget budget) {
        return switch (value) {
            case String text -> text;
            case Undefined undefined -> "";
            default -> {
                BoundedText text = new BoundedText(budget);
                represent(value, text, budget);
                yield text.toString();
            }
        };
    }

    /** {@code repr(value)}. */
    private static void represent(Object value, BoundedText text, TemplateBudget budget) {
        budget.enter();
        switch (value) {
            case None none -> text.append("None");
            case Boolean truth -> text.append(truth ? "True" : "False");
            case Double number -> text.append(floating(number));
            case Number number -> text.append(number.toString());
            case String string -> quote(string, text);
            case Range range -> text.append(range.description());
            case Tuple tuple -> sequence("(", tuple, tuple.size() == 1 ? ",)" : ")", text, budget);
            case List<?> list -> sequence("[", list, "]", text, budget);
            case Map<?, ?> map -> dict(map, text, budget);
            case Undefined undefined -> text.append("Undefined");
            case Namespace namespace -> text.append("<Namespace>");
            default -> text.append("<" + PythonValues.typeName(value) + ">");
        }
        budget.leave();
    }

    private static void sequence(String open, List<?> items, String close, BoundedText text, TemplateBudget budget) {
        text.append(open);
        for (int i = 0; i < items.size(); i++) {
            text.append(i == 0 ? "" : ", ");
            represent(items.get(i), text, budget);
        }
        text.append(close);
    }

    private static void dict(Map<?, ?> map, BoundedText text, TemplateBudget budget) {
        text.append('{');
        boolean isFirst = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            text.append(isFirst ? "" : ", ");
            represent(entry.getKey(), text, budget);
            text.append(": ");
            represent(entry.getValue(), text, budget);
            isFirst = false;
        }
        text.append('}');
    }

    private static void quote(String string, BoundedText text) {
        char quote = string.indexOf('\'') >= 0 && string.indexOf('"') < 0 ? '"' : '\'';
        text.append(quote);
        for (int i = 0; i < string.length(); ) {
            int codePoint = string.codePointAt(i);
            i += Character.charCount(codePoint);
            switch (codePoint) {
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                case '\t' -> text.append("\\t");
                case '\\' -> text.append("\\\\");
                default -> {
                    if (codePoint == quote) {
                        text.append('\\').append(quote);
                    } else {
                        text.append(isPrintable(codePoint) ? Character.toString(codePoint) : escape(codePoint));
                    }
                }
            }
        }
        text.append(quote);
    }

    private static String escape(int codePoint) {
        if (codePoint <= 0xFF) {
            return String.format("\\x%02x", codePoint);
        }
        return codePoint <= 0xFFFF ? String.format("\\u%04x", codePoint) : String.format("\\U%08x", codePoint);
    }

    /** {@code str.isprintable}: everything but separators other than the space, controls, surrogates and unassigned. */
    private static boolean isPrintable(int codePoint) {
        return codePoint == ' '
                || switch (Character.getType(codePoint)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.SURROGATE,
                            Character.PRIVATE_USE,
                            Character.UNASSIGNED,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR,
                            Character.SPACE_SEPARATOR -> false;
                    default -> true;
                };
    }

    /** The JDK gives at least two digits, also where one reads back. */
    private static BigDecimal shortest(double value) {
        BigDecimal digits = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        BigDecimal single = digits.round(new MathContext(1)).stripTrailingZeros();
        return single.doubleValue() == value ? single : digits;
    }

    /** {@code repr} of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on. */
    static String floating(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal digits = shortest(Math.abs(value));
        int exponent = digits.precision() - digits.scale() - 1;
        String sign = value < 0 ? "-" : "";
        if (exponent >= -4 && exponent < 16) {
            String plain = digits.toPlainString();
            return sign + plain + (plain.indexOf('.') < 0 ? ".0" : "");
        }
        String all = digits.unscaledValue().toString();
        String mantissa = all.length() == 1 ? all : all.charAt(0) + "." + all.substring(1);
        String tens = String.format("%02d", Math.abs(exponent));
        return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + tens;
    }
}
