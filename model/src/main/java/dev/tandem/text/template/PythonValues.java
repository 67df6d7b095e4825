package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.Namespace;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Range;
import dev.tandem.text.template.TemplateValues.Tuple;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What Python's operators and built-in functions say about values: truth, equality, order, iteration, indexing. */
final class PythonValues {
    private static final int MAX_INPUT_DEPTH = 100;

    private PythonValues() {}

    /** Turns a value of the caller into one of the template's kinds. */
    static Object fromOutside(@Nullable Object value, int depth) {
        if (depth > MAX_INPUT_DEPTH) {
            throw new TemplateException("a variable nests deeper than " + MAX_INPUT_DEPTH + " levels");
        }
        return switch (value) {
            case null -> None.NONE;
            case String text -> text;
            case Boolean truth -> truth;
            case Long number -> number;
            case Integer number -> (long) number;
            case Short number -> (long) number;
            case Byte number -> (long) number;
            case BigInteger number -> number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
            case BigDecimal number -> number.doubleValue();
            case Double number -> number;
            case Float number -> (double) number;
            case Map<?, ?> map -> {
                Map<Object, Object> copy = LinkedHashMap.newLinkedHashMap(map.size());
                map.forEach((key, item) -> copy.put(fromOutside(key, depth + 1), fromOutside(item, depth + 1)));
                yield copy;
            }
            case Iterable<?> items -> {
                List<Object> copy = new ArrayList<>();
                items.forEach(item -> copy.add(fromOutside(item, depth + 1)));
                yield copy;
            }
            default ->
                throw new TemplateException(
                        "a variable holds a " + value.getClass().getSimpleName());
        };
    }

    /** Characters of all strings in a value. */
    static long countCharacters(@Nullable Object value) {
        return switch (value) {
            case String text -> text.length();
            case List<?> list ->
                list.stream().mapToLong(PythonValues::countCharacters).sum();
            case Map<?, ?> map ->
                map.entrySet().stream()
                        .mapToLong(e -> countCharacters(e.getKey()) + countCharacters(e.getValue()))
                        .sum();
            case null, default -> 0;
        };
    }

    static boolean isTrue(Object value) {
        return switch (value) {
            case Boolean truth -> truth;
            case String text -> !text.isEmpty();
            case Long number -> number != 0;
            case Double number -> number != 0;
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case None none -> false;
            case Undefined undefined -> false;
            default -> true;
        };
    }

    static String typeName(Object value) {
        return switch (value) {
            case None none -> "NoneType";
            case Boolean truth -> "bool";
            case Long number -> "int";
            case BigInteger number -> "int";
            case Double number -> "float";
            case String text -> "str";
            case Tuple tuple -> "tuple";
            case Range range -> "range";
            case List<?> list -> "list";
            case Map<?, ?> map -> "dict";
            case Undefined undefined -> "Undefined";
            case Namespace namespace -> "Namespace";
            case Callable function -> "function";
            default -> value.getClass().getSimpleName();
        };
    }

    static boolean isNumber(Object value) {
        return value instanceof Boolean || value instanceof Number;
    }

    /** An integer, also from {@code True} and {@code False}. */
    static long integer(Object value, String what) {
        return switch (value) {
            case Long number -> number;
            case Boolean truth -> truth ? 1 : 0;
            case Undefined undefined -> throw undefined.failure();
            default -> throw new TemplateException(what + " is " + typeName(value) + ", not int");
        };
    }

    static double floating(Object value) {
        return switch (value) {
            case Boolean truth -> truth ? 1 : 0;
            case Number number -> number.doubleValue();
            case Undefined undefined -> throw undefined.failure();
            default -> throw new TemplateException(typeName(value) + " is not a number");
        };
    }

    /** {@code left == right}. */
    static boolean areEqual(Object left, Object right, TemplateBudget budget) {
        budget.enter();
        budget.reading(left);
        try {
            if (isNumber(left) && isNumber(right)) {
                return compareNumbers(left, right) == 0;
            }
            if (left instanceof Undefined) {
                return right instanceof Undefined;
            }
            if (left instanceof List<?> a && right instanceof List<?> b) {
                return left instanceof Tuple == right instanceof Tuple && areEqualLists(a, b, budget);
            }
            if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
                return areEqualMaps(a, b, budget);
            }
            return left.equals(right);
        } finally {
            budget.leave();
        }
    }

    private static boolean areEqualLists(List<?> left, List<?> right, TemplateBudget budget) {
        if (left.size() != right.size()) {
            return false;
        }
        for (int i = 0; i < left.size(); i++) {
            if (!areEqual(left.get(i), right.get(i), budget)) {
                return false;
            }
        }
        return true;
    }

    private static boolean areEqualMaps(Map<?, ?> left, Map<?, ?> right, TemplateBudget budget) {
        if (left.size() != right.size()) {
            return false;
        }
        for (Map.Entry<?, ?> entry : left.entrySet()) {
            Object other = right.get(entry.getKey());
            if (other == null || !areEqual(entry.getValue(), other, budget)) {
                return false;
            }
        }
        return true;
    }

    /** Order of two values as {@code <} and {@code sort} see it. */
    static int compare(Object left, Object right, TemplateBudget budget) {
        budget.enter();
        budget.reading(left);
        try {
            if (isNumber(left) && isNumber(right)) {
                return compareNumbers(left, right);
            }
            if (left instanceof String a && right instanceof String b) {
                return compareText(a, b);
            }
            boolean sameKind = left instanceof Tuple == right instanceof Tuple;
            if (sameKind && left instanceof List<?> a && right instanceof List<?> b) {
                for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
                    if (!areEqual(a.get(i), b.get(i), budget)) {
                        return compare(a.get(i), b.get(i), budget);
                    }
                }
                return Integer.compare(a.size(), b.size());
            }
            throw incomparable(left, right);
        } finally {
            budget.leave();
        }
    }

    private static TemplateException incomparable(Object left, Object right) {
        for (Object value : List.of(left, right)) {
            if (value instanceof Undefined undefined) {
                return undefined.failure();
            }
        }
        return new TemplateException(typeName(left) + " and " + typeName(right) + " have no order");
    }

    private static int compareNumbers(Object left, Object right) {
        if (left instanceof Double || right instanceof Double) {
            double a = floating(left);
            double b = floating(right);
            return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2; // 2: not a number, equal to nothing
        }
        return wide(left).compareTo(wide(right));
    }

    private static BigInteger wide(Object value) {
        return value instanceof BigInteger number ? number : BigInteger.valueOf(integer(value, "number"));
    }

    /** Order by code points, as Python's; UTF-16 order differs above U+FFFF. */
    private static int compareText(String left, String right) {
        int at = 0;
        int end = Math.min(left.length(), right.length());
        while (at < end && left.charAt(at) == right.charAt(at)) {
            at++;
        }
        if (at == end) {
            return Integer.compare(left.length(), right.length());
        }
        boolean bothSurrogates = Character.isSurrogate(left.charAt(at)) == Character.isSurrogate(right.charAt(at));
        return bothSurrogates
                ? Character.compare(left.charAt(at), right.charAt(at))
                : Integer.compare(left.codePointAt(at), right.codePointAt(at));
    }

    /** {@code item in container}. */
    static boolean contains(Object container, Object item, TemplateBudget budget) {
        if (container instanceof String text) {
            if (!(item instanceof String part)) {
                throw new TemplateException("'in <string>' needs a str on its left, not " + typeName(item));
            }
            budget.searching(text, part);
            return text.contains(part);
        }
        if (container instanceof Map<?, ?> map) {
            return map.containsKey(key(item));
        }
        for (Object candidate : iterate(container, budget)) {
            if (areEqual(candidate, item, budget)) {
                return true;
            }
        }
        return false;
    }

    /** The items that a loop over the value sees; not to be changed. */
    static List<?> iterate(Object value, TemplateBudget budget) {
        return switch (value) {
            case List<?> list -> list;
            case Map<?, ?> map -> {
                budget.elements(map.size());
                yield new ArrayList<>(map.keySet());
            }
            case String text -> {
                budget.elements(text.length());
                yield text.codePoints().mapToObj(Character::toString).toList();
            }
            case Undefined undefined -> List.of();
            default -> throw new TemplateException(typeName(value) + " is not iterable");
        };
    }

    /** A value as a key of a dict: only scalars, whose hash takes constant effort. */
    static Object key(Object value) {
        return switch (value) {
            case String text -> text;
            case Boolean truth -> truth;
            case Double number
            when number == Math.rint(number) && Math.abs(number) < 1L << 53 -> (long) (double) number;
            case Number number -> number;
            case None none -> none;
            case Undefined undefined -> undefined;
            default -> throw new TemplateException(typeName(value) + " cannot be a key");
        };
    }

    static long length(Object value) {
        return switch (value) {
            case String text -> text.codePointCount(0, text.length());
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Undefined undefined -> 0;
            default -> throw new TemplateException(typeName(value) + " has no length");
        };
    }
}
