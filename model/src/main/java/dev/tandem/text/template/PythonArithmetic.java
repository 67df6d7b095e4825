package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Tuple;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Python's arithmetic operators, on integers of 64 bits: what does not fit is refused, not wrapped. */
final class PythonArithmetic {
    private PythonArithmetic() {}

    static Object apply(String operator, Object left, Object right, TemplateBudget budget) {
        for (Object operand : List.of(left, right)) {
            if (operand instanceof Undefined undefined) {
                throw undefined.failure();
            }
        }
        if (operator.equals("%") && left instanceof String format) {
            List<?> values = right instanceof Tuple tuple ? tuple : List.of(right);
            boolean mayHaveMore = right instanceof Map || (right instanceof List && !(right instanceof Tuple));
            return PythonFormat.percent(format, values, mayHaveMore, budget);
        }
        if (PythonValues.isNumber(left) && PythonValues.isNumber(right)) {
            return ofNumbers(operator, left, right);
        }
        return switch (operator) {
            case "+" -> add(left, right, budget);
            case "*" -> multiply(left, right, budget);
            default -> throw unsupported(operator, left, right);
        };
    }

    private static Object add(Object left, Object right, TemplateBudget budget) {
        if (left instanceof String a && right instanceof String b) {
            budget.characters((long) a.length() + b.length());
            return a + b;
        }
        if (left instanceof Tuple == right instanceof Tuple
                && left instanceof List<?> a
                && right instanceof List<?> b) {
            budget.elements((long) a.size() + b.size());
            List<Object> sum = new ArrayList<>(a);
            sum.addAll(b);
            return left instanceof Tuple ? new Tuple(sum.toArray()) : sum;
        }
        throw unsupported("+", left, right);
    }

    private static Object multiply(Object left, Object right, TemplateBudget budget) {
        if (left instanceof Long || left instanceof Boolean) {
            return right instanceof String || right instanceof List<?>
                    ? multiply(right, left, budget)
                    : failMultiply(left, right);
        }
        if (!(right instanceof Long) && !(right instanceof Boolean)) {
            return failMultiply(left, right);
        }
        long times = Math.max(0, PythonValues.integer(right, "factor"));
        if (left instanceof String text) {
            return PythonText.repeat(text, times, budget);
        }
        if (left instanceof List<?> list) {
            budget.elements(list.isEmpty() ? 0 : Math.min(times, 1L << 40) * list.size());
            List<Object> product = new ArrayList<>();
            for (long i = 0; i < times && !list.isEmpty(); i++) {
                product.addAll(list);
            }
            return left instanceof Tuple ? new Tuple(product.toArray()) : product;
        }
        return failMultiply(left, right);
    }

    private static Object failMultiply(Object left, Object right) {
        throw unsupported("*", left, right);
    }

    private static Object ofNumbers(String operator, Object left, Object right) {
        if (operator.equals("/") || left instanceof Double || right instanceof Double) {
            return ofFloats(operator, PythonValues.floating(left), PythonValues.floating(right));
        }
        if (left instanceof BigInteger || right instanceof BigInteger) {
            throw new TemplateException("arithmetic takes integers up to 64 bits");
        }
        try {
            return ofIntegers(operator, PythonValues.integer(left, "operand"), PythonValues.integer(right, "operand"));
        } catch (ArithmeticException e) {
            throw new TemplateException("the result of '" + operator + "' exceeds 64 bits");
        }
    }

    private static Object ofIntegers(String operator, long left, long right) {
        return switch (operator) {
            case "+" -> Math.addExact(left, right);
            case "-" -> Math.subtractExact(left, right);
            case "*" -> Math.multiplyExact(left, right);
            case "//" -> Math.floorDivExact(left, nonZero(right));
            case "%" -> Math.floorMod(left, nonZero(right));
            case "**" -> right < 0 ? (Object) Math.pow((double) left, (double) right) : power(left, right);
            default -> throw new IllegalStateException("operator " + operator);
        };
    }

    private static long nonZero(long divisor) {
        if (divisor == 0) {
            throw new TemplateException("division by zero");
        }
        return divisor;
    }

    private static Object power(long base, long exponent) {
        if (Math.abs(base) <= 1) {
            return base == 0 ? (exponent == 0 ? 1L : 0L) : (base < 0 && exponent % 2 == 0 ? 1L : base);
        }
        if (exponent > Long.SIZE) {
            throw new ArithmeticException("overflow");
        }
        return BigInteger.valueOf(base).pow((int) exponent).longValueExact();
    }

    private static Object ofFloats(String operator, double left, double right) {
        boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
        if (divides && right == 0) {
            throw new TemplateException("division by zero");
        }
        return switch (operator) {
            case "+" -> left + right;
            case "-" -> left - right;
            case "*" -> left * right;
            case "/" -> left / right;
            case "//" -> Math.floor(left / right);
            case "%" -> floorMod(left, right);
            case "**" -> Math.pow(left, right);
            default -> throw new IllegalStateException("operator " + operator);
        };
    }

    private static double floorMod(double left, double right) {
        double remainder = left % right;
        return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
    }

    static Object negate(Object value) {
        return switch (value) {
            case Double number -> -number;
            default -> ofNumbers("-", 0L, numeric(value));
        };
    }

    /** {@code +value}: numbers as they are. */
    static Object numeric(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (!PythonValues.isNumber(value)) {
            throw new TemplateException("a sign cannot stand before " + PythonValues.typeName(value));
        }
        return value instanceof Boolean truth ? (Object) (truth ? 1L : 0L) : value;
    }

    /** The {@code round} filter. */
    static Object round(Object value, long digits, String method) {
        if (!PythonValues.isNumber(value) || Math.abs(digits) > 300) {
            PythonValues.floating(value);
            throw new TemplateException("round's 'precision' " + digits + " is out of range");
        }
        boolean isCommon = method.equals("common");
        if (isCommon && !(value instanceof Double)) {
            return digits >= 0
                    ? numeric(value)
                    : rounded(new BigDecimal(value.toString()), digits).longValue();
        }
        double number = PythonValues.floating(value);
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            return number;
        }
        if (isCommon) {
            return rounded(new BigDecimal(number), digits).doubleValue();
        }
        double scale = Math.pow(10, (double) digits);
        return switch (method) {
            case "ceil" -> Math.ceil(number * scale) / scale;
            case "floor" -> Math.floor(number * scale) / scale;
            default -> throw new TemplateException("round's 'method' is common, ceil or floor, not " + method);
        };
    }

    private static BigDecimal rounded(BigDecimal value, long digits) {
        return value.setScale((int) digits, RoundingMode.HALF_EVEN);
    }

    private static TemplateException unsupported(String operator, Object left, Object right) {
        return new TemplateException("'" + operator + "' does not take " + PythonValues.typeName(left) + " and "
                + PythonValues.typeName(right));
    }
}
