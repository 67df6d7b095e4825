package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Tuple;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntPredicate;

/** Methods of {@code str}. */
final class TextMethods {
    private interface Method {
        Object call(String text, Arguments arguments, TemplateRun run);
    }

    private static final Map<String, Method> METHODS = Map.ofEntries(
            Map.entry("upper", (text, arguments, run) -> run.budget().text(PythonText.upper(text))),
            Map.entry("lower", (text, arguments, run) -> run.budget().text(PythonText.lower(text))),
            Map.entry("casefold", (text, arguments, run) -> run.budget().text(PythonText.lower(text))),
            Map.entry("title", (text, arguments, run) -> run.budget().text(PythonText.title(text))),
            Map.entry("capitalize", (text, arguments, run) -> run.budget().text(PythonText.capitalize(text))),
            Map.entry("strip", (text, arguments, run) -> strip(text, arguments, true, true, run)),
            Map.entry("lstrip", (text, arguments, run) -> strip(text, arguments, true, false, run)),
            Map.entry("rstrip", (text, arguments, run) -> strip(text, arguments, false, true, run)),
            Map.entry("split", (text, arguments, run) -> split(text, arguments, run, false)),
            Map.entry("rsplit", (text, arguments, run) -> split(text, arguments, run, true)),
            Map.entry("splitlines", TextMethods::splitLines),
            Map.entry("partition", (text, arguments, run) -> partition(text, arguments, false, run)),
            Map.entry("rpartition", (text, arguments, run) -> partition(text, arguments, true, run)),
            Map.entry("startswith", (text, arguments, run) -> hasEnd(text, arguments, true, run)),
            Map.entry("endswith", (text, arguments, run) -> hasEnd(text, arguments, false, run)),
            Map.entry("replace", TextMethods::replace),
            Map.entry("find", (text, arguments, run) -> find(text, arguments, false, run)),
            Map.entry("rfind", (text, arguments, run) -> find(text, arguments, true, run)),
            Map.entry("index", TextMethods::index),
            Map.entry("count", TextMethods::count),
            Map.entry("join", (text, arguments, run) -> joined(text, arguments, run)),
            Map.entry("removeprefix", (text, arguments, run) -> withoutEnd(text, arguments, run, true)),
            Map.entry("removesuffix", (text, arguments, run) -> withoutEnd(text, arguments, run, false)),
            Map.entry("isdigit", (text, arguments, run) -> all(text, Character::isDigit)),
            Map.entry("isdecimal", (text, arguments, run) -> all(text, Character::isDigit)),
            Map.entry("isnumeric", (text, arguments, run) -> all(text, Character::isDigit)),
            Map.entry("isalpha", (text, arguments, run) -> all(text, Character::isLetter)),
            Map.entry("isalnum", (text, arguments, run) -> all(text, Character::isLetterOrDigit)),
            Map.entry("isspace", (text, arguments, run) -> all(text, c -> c <= 0xFFFF && PythonText.isSpace((char) c))),
            Map.entry("isupper", (text, arguments, run) -> isCased(text, true)),
            Map.entry("islower", (text, arguments, run) -> isCased(text, false)),
            Map.entry("ljust", (text, arguments, run) -> justify(text, arguments, run, false)),
            Map.entry("rjust", (text, arguments, run) -> justify(text, arguments, run, true)),
            Map.entry("format", TextMethods::format));

    private TextMethods() {}

    static Optional<Object> find(String text, String name) {
        Method method = METHODS.get(name);
        return method == null
                ? Optional.empty()
                : Optional.of((Callable) (arguments, run) -> {
                    run.budget().reading(text);
                    return method.call(text, arguments, run);
                });
    }

    private static Object strip(String text, Arguments arguments, boolean atStart, boolean atEnd, TemplateRun run) {
        String set = arguments.bind("strip", "chars").string(0, "");
        return run.budget().text(PythonText.strip(text, set, atStart, atEnd, run.budget()));
    }

    private static Object split(String text, Arguments arguments, TemplateRun run, boolean fromEnd) {
        Arguments.Bound bound = arguments.bind("split", "sep", "maxsplit");
        String separator = bound.string(0, "");
        if (separator.isEmpty() && bound.value(0, None.NONE) != None.NONE) {
            throw new TemplateException("split's separator is empty");
        }
        long limit = bound.integer(1, -1);
        return fromEnd
                ? PythonText.splitFromEnd(text, separator, limit, run.budget())
                : PythonText.split(text, separator, limit, run.budget());
    }

    private static Object splitLines(String text, Arguments arguments, TemplateRun run) {
        if (arguments.bind("splitlines", "keepends").flag(0, false)) {
            throw new TemplateException("splitlines(keepends=true) is not supported");
        }
        return PythonText.splitLines(text, run.budget());
    }

    private static Object partition(String text, Arguments arguments, boolean fromEnd, TemplateRun run) {
        String separator = arguments.bind("partition", "sep").requiredString(0);
        if (separator.isEmpty()) {
            throw new TemplateException("partition's separator is empty");
        }
        run.budget().searching(text, separator);
        int at = fromEnd ? text.lastIndexOf(separator) : text.indexOf(separator);
        if (at < 0) {
            return fromEnd ? new Tuple("", "", text) : new Tuple(text, "", "");
        }
        return new Tuple(text.substring(0, at), separator, text.substring(at + separator.length()));
    }

    private static Object hasEnd(String text, Arguments arguments, boolean atStart, TemplateRun run) {
        Arguments.Bound bound = arguments.bind(atStart ? "startswith" : "endswith", "prefix");
        List<?> candidates = bound.required(0) instanceof Tuple tuple ? tuple : List.of(bound.requiredString(0));
        for (Object candidate : candidates) {
            if (!(candidate instanceof String end)) {
                throw new TemplateException("startswith and endswith take str or a tuple of str");
            }
            run.budget().reading(end);
            if (atStart ? text.startsWith(end) : text.endsWith(end)) {
                return true;
            }
        }
        return false;
    }

    private static Object replace(String text, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("replace", "old", "new", "count");
        return PythonText.replace(
                text, bound.requiredString(0), bound.requiredString(1), bound.integer(2, -1), run.budget());
    }

    private static Object find(String text, Arguments arguments, boolean fromEnd, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("find", "sub", "start");
        String part = bound.requiredString(0);
        long start = bound.integer(1, 0);
        if (start < 0 || start > text.length()) {
            throw new TemplateException("find's 'start' " + start + " is not supported");
        }
        run.budget().searching(text, part);
        int from = text.offsetByCodePoints(0, (int) Math.min(start, text.codePointCount(0, text.length())));
        int at = fromEnd ? text.lastIndexOf(part) : text.indexOf(part, from);
        return at < from ? -1L : (long) text.codePointCount(0, at);
    }

    private static Object index(String text, Arguments arguments, TemplateRun run) {
        Object at = find(text, arguments, false, run);
        if (at.equals(-1L)) {
            throw new TemplateException("substring not found");
        }
        return at;
    }

    private static Object count(String text, Arguments arguments, TemplateRun run) {
        String part = arguments.bind("count", "sub").requiredString(0);
        if (part.isEmpty()) {
            return PythonValues.length(text) + 1;
        }
        run.budget().searching(text, part);
        long count = 0;
        for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
            count++;
        }
        return count;
    }

    private static Object joined(String separator, Arguments arguments, TemplateRun run) {
        BoundedText text = new BoundedText(run.budget());
        List<?> items = PythonValues.iterate(arguments.bind("join", "iterable").required(0), run.budget());
        for (int i = 0; i < items.size(); i++) {
            if (!(items.get(i) instanceof String item)) {
                throw new TemplateException("join takes str, not " + PythonValues.typeName(items.get(i)));
            }
            text.append(i == 0 ? "" : separator).append(item);
        }
        return text.toString();
    }

    private static Object withoutEnd(String text, Arguments arguments, TemplateRun run, boolean atStart) {
        String end = arguments
                .bind(atStart ? "removeprefix" : "removesuffix", "part")
                .requiredString(0);
        if (atStart) {
            return run.budget().text(text.startsWith(end) ? text.substring(end.length()) : text);
        }
        return run.budget().text(text.endsWith(end) ? text.substring(0, text.length() - end.length()) : text);
    }

    private static Object all(String text, IntPredicate predicate) {
        return !text.isEmpty() && text.codePoints().allMatch(predicate);
    }

    private static Object isCased(String text, boolean isUpper) {
        return text.codePoints().anyMatch(isUpper ? Character::isUpperCase : Character::isLowerCase)
                && text.codePoints().noneMatch(isUpper ? Character::isLowerCase : Character::isUpperCase);
    }

    private static Object justify(String text, Arguments arguments, TemplateRun run, boolean toRight) {
        Arguments.Bound bound = arguments.bind("just", "width", "fillchar");
        bound.required(0);
        String padding =
                PythonText.repeat(bound.string(1, " "), bound.integer(0, 0) - PythonValues.length(text), run.budget());
        return run.budget().text(toRight ? padding + text : text + padding);
    }

    /** {@code str.format} with plain fields: {@code {}}, {@code {0}}, {@code {name}}. */
    private static Object format(String text, Arguments arguments, TemplateRun run) {
        BoundedText result = new BoundedText(run.budget());
        int automatic = 0;
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            if ((character == '{' || character == '}') && text.startsWith(String.valueOf(character), i + 1)) {
                result.append(character);
                i++;
            } else if (character == '{') {
                int close = text.indexOf('}', i);
                String field = close < 0 ? "" : text.substring(i + 1, close);
                Object value = field.isEmpty() && close > 0
                        ? argument(arguments, String.valueOf(automatic++))
                        : argument(arguments, field);
                result.append(run.text(value));
                i = close;
            } else {
                result.append(character);
            }
        }
        return result.toString();
    }

    private static Object argument(Arguments arguments, String field) {
        Object value = arguments.named().get(field);
        if (value != null) {
            return value;
        }
        boolean isIndex =
                !field.isEmpty() && field.length() < 4 && field.chars().allMatch(c -> c >= '0' && c <= '9');
        if (isIndex && Integer.parseInt(field) < arguments.positional().size()) {
            return arguments.positional().get(Integer.parseInt(field));
        }
        throw new TemplateException("format has no value for the field '{" + field + "}', or does not support it");
    }
}
