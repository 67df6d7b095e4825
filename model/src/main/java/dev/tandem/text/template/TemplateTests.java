package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;

/** What may stand behind {@code is}. */
final class TemplateTests {
    private interface Test {
        boolean holds(Object value, Arguments arguments, TemplateRun run);
    }

    private static final Map<String, Test> TESTS = Map.ofEntries(
            Map.entry("defined", (value, arguments, run) -> !(value instanceof Undefined)),
            Map.entry("undefined", (value, arguments, run) -> value instanceof Undefined),
            Map.entry("none", (value, arguments, run) -> value == None.NONE),
            Map.entry("true", (value, arguments, run) -> Boolean.TRUE.equals(value)),
            Map.entry("false", (value, arguments, run) -> Boolean.FALSE.equals(value)),
            Map.entry("boolean", (value, arguments, run) -> value instanceof Boolean),
            Map.entry("integer", (value, arguments, run) -> value instanceof Long || value instanceof BigInteger),
            Map.entry("float", (value, arguments, run) -> value instanceof Double),
            Map.entry("number", (value, arguments, run) -> PythonValues.isNumber(value)),
            Map.entry("string", (value, arguments, run) -> value instanceof String),
            Map.entry("mapping", (value, arguments, run) -> value instanceof Map),
            Map.entry("sequence", (value, arguments, run) -> isIterable(value)),
            Map.entry("iterable", (value, arguments, run) -> isIterable(value)),
            Map.entry("callable", (value, arguments, run) -> value instanceof Callable || value instanceof Undefined),
            Map.entry("escaped", (value, arguments, run) -> false),
            Map.entry("lower", (value, arguments, run) -> isCased(run.text(value), false)),
            Map.entry("upper", (value, arguments, run) -> isCased(run.text(value), true)),
            Map.entry("odd", (value, arguments, run) -> hasRemainder(value, 1L, run)),
            Map.entry("even", (value, arguments, run) -> hasRemainder(value, 0L, run)),
            Map.entry("divisibleby", TemplateTests::isDivisible),
            Map.entry("in", (value, arguments, run) -> PythonValues.contains(other(arguments), value, run.budget())),
            Map.entry("sameas", TemplateTests::isSame),
            Map.entry("filter", (value, arguments, run) -> TemplateFilters.isKnown(run.text(value))),
            Map.entry("test", (value, arguments, run) -> isKnown(run.text(value))),
            comparison("eq", "=="),
            comparison("equalto", "=="),
            comparison("==", "=="),
            comparison("ne", "!="),
            comparison("!=", "!="),
            comparison("lt", "<"),
            comparison("lessthan", "<"),
            comparison("<", "<"),
            comparison("le", "<="),
            comparison("<=", "<="),
            comparison("gt", ">"),
            comparison("greaterthan", ">"),
            comparison(">", ">"),
            comparison("ge", ">="),
            comparison(">=", ">="));

    private TemplateTests() {}

    static boolean isKnown(String name) {
        return TESTS.containsKey(name);
    }

    static boolean holds(String name, Object value, Arguments arguments, TemplateRun run) {
        Test test = TESTS.get(name);
        if (test == null) {
            throw new TemplateException("the test '" + name + "' is not known");
        }
        run.budget().reading(value);
        return test.holds(value, arguments, run);
    }

    /** A comparison by its operator. */
    static boolean compares(String operator, Object left, Object right, TemplateBudget budget) {
        return switch (operator) {
            case "==" -> PythonValues.areEqual(left, right, budget);
            case "!=" -> !PythonValues.areEqual(left, right, budget);
            case "in" -> PythonValues.contains(right, left, budget);
            case "not in" -> !PythonValues.contains(right, left, budget);
            case "<" -> PythonValues.compare(left, right, budget) < 0;
            case "<=" -> PythonValues.compare(left, right, budget) <= 0;
            case ">" -> PythonValues.compare(left, right, budget) > 0;
            case ">=" -> PythonValues.compare(left, right, budget) >= 0;
            default -> throw new IllegalStateException("operator " + operator);
        };
    }

    private static Map.Entry<String, Test> comparison(String name, String operator) {
        return Map.entry(name, (value, arguments, run) -> compares(operator, value, other(arguments), run.budget()));
    }

    private static Object other(Arguments arguments) {
        return arguments.bind("the test", "other").required(0);
    }

    private static boolean hasRemainder(Object value, Object remainder, TemplateRun run) {
        Object actual = PythonArithmetic.apply("%", value, 2L, run.budget());
        return PythonValues.areEqual(actual, remainder, run.budget());
    }

    /** Python asks for length and indexing, which strings, dicts and even undefined values have. */
    private static boolean isIterable(Object value) {
        return value instanceof String || value instanceof List || value instanceof Map || value instanceof Undefined;
    }

    private static boolean isDivisible(Object value, Arguments arguments, TemplateRun run) {
        Object remainder = PythonArithmetic.apply("%", value, other(arguments), run.budget());
        return PythonValues.areEqual(remainder, 0L, run.budget());
    }

    @SuppressWarnings("ReferenceEquality") // identity is what sameas asks for
    private static boolean isSame(Object value, Arguments arguments, TemplateRun run) {
        Object other = other(arguments);
        return value == other
                || ((value instanceof Boolean || value instanceof Long || value instanceof String)
                        && value.equals(other));
    }

    private static boolean isCased(String text, boolean isUpper) {
        return text.codePoints().anyMatch(isUpper ? Character::isUpperCase : Character::isLowerCase)
                && text.codePoints().noneMatch(isUpper ? Character::isLowerCase : Character::isUpperCase);
    }
}
