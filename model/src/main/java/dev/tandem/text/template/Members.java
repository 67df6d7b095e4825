package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Namespace;
import dev.tandem.text.template.TemplateValues.Tuple;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Attributes, items and slices of values, in Jinja2's order: a dot looks for a method first and then for a key, brackets the other way
 * round. Methods that would change a value and names with double underscores are refused, as in its immutable sandbox.
 */
final class Members {
    private static final Set<String> MUTATORS = Set.of(
            "append",
            "add",
            "clear",
            "discard",
            "extend",
            "insert",
            "pop",
            "popitem",
            "remove",
            "reverse",
            "setdefault",
            "sort",
            "update");

    private Members() {}

    static Object attribute(Object object, String name, TemplateRun run) {
        Optional<Object> method = method(object, name);
        if (method.isPresent()) {
            return method.get();
        }
        Object value = object instanceof Map<?, ?> map ? map.get(name) : null;
        if (value != null) {
            return value;
        }
        if (name.startsWith("__")) {
            throw new TemplateException(
                    "the attribute '" + name + "' of " + PythonValues.typeName(object) + " is unsafe");
        }
        return switch (object) {
            case Undefined undefined -> throw undefined.failure();
            case Namespace namespace -> namespace.get(name);
            case LoopState loop -> loop.attribute(name);
            default -> new Undefined("'" + PythonValues.typeName(object) + " object' has no attribute '" + name + "'");
        };
    }

    private static Optional<Object> method(Object object, String name) {
        if ((object instanceof Map || object instanceof List) && MUTATORS.contains(name)) {
            throw new TemplateException(
                    "the method '" + name + "' would change a " + PythonValues.typeName(object) + ", which is refused");
        }
        return switch (object) {
            case String text -> TextMethods.find(text, name);
            case Map<?, ?> map -> ContainerMethods.find(map, name);
            case List<?> list -> ContainerMethods.find(list, name);
            default -> Optional.empty();
        };
    }

    static Object item(Object object, Object key, TemplateRun run) {
        run.budget().reading(object);
        Object found = null;
        switch (object) {
            case Undefined undefined -> throw undefined.failure();
            case Map<?, ?> map -> found = key instanceof List ? null : map.get(PythonValues.key(key));
            case List<?> list -> found = key instanceof Long || key instanceof Boolean ? element(list, key) : null;
            case String text ->
                found = key instanceof Long || key instanceof Boolean ? character(text, key, run) : null;
            default -> {}
        }
        if (found != null) {
            return found;
        }
        if (key instanceof String name) {
            return attribute(object, name, run);
        }
        String shown = run.text(key);
        return new Undefined("'" + PythonValues.typeName(object) + " object' has no element " + shown);
    }

    private static @Nullable Object element(List<?> list, Object key) {
        long index = PythonValues.integer(key, "index");
        long position = index < 0 ? index + list.size() : index;
        return position >= 0 && position < list.size() ? list.get((int) position) : null;
    }

    private static @Nullable Object character(String text, Object key, TemplateRun run) {
        long index = PythonValues.integer(key, "index");
        if (!PythonText.hasSurrogates(text)) {
            long position = index < 0 ? index + text.length() : index;
            return position >= 0 && position < text.length() ? String.valueOf(text.charAt((int) position)) : null;
        }
        return element(PythonValues.iterate(text, run.budget()), key);
    }

    static Object slice(
            Object object, @Nullable Long start, @Nullable Long stop, @Nullable Long step, TemplateRun run) {
        run.budget().reading(object);
        return switch (object) {
            case Undefined undefined -> throw undefined.failure();
            case String text -> sliceText(text, start, stop, step, run);
            case Tuple tuple ->
                new Tuple(sliceList(tuple, start, stop, step, run).toArray());
            case List<?> list -> sliceList(list, start, stop, step, run);
            default -> throw new TemplateException(PythonValues.typeName(object) + " cannot be sliced");
        };
    }

    private static String sliceText(
            String text, @Nullable Long start, @Nullable Long stop, @Nullable Long step, TemplateRun run) {
        if ((step == null || step == 1) && !PythonText.hasSurrogates(text)) {
            int from = (int) clamp(start, 0, text.length(), text.length(), 0);
            int to = (int) clamp(stop, text.length(), text.length(), text.length(), 0);
            return run.budget().text(text.substring(from, Math.max(from, to)));
        }
        BoundedText result = new BoundedText(run.budget());
        for (Object character : sliceList(PythonValues.iterate(text, run.budget()), start, stop, step, run)) {
            result.append((String) character);
        }
        return result.toString();
    }

    /** {@code slice.indices} and the elements at these. */
    private static List<Object> sliceList(
            List<?> list, @Nullable Long start, @Nullable Long stop, @Nullable Long step, TemplateRun run) {
        int size = list.size();
        long stride = step == null ? 1 : step;
        if (stride == 0) {
            throw new TemplateException("a slice's step is zero");
        }
        boolean isForward = stride > 0;
        long from = clamp(start, isForward ? 0 : size - 1, size, isForward ? size : size - 1, isForward ? 0 : -1);
        long to = clamp(stop, isForward ? size : -1, size, isForward ? size : size - 1, isForward ? 0 : -1);
        run.budget().elements(isForward ? Math.max(0, to - from) : Math.max(0, from - to));
        List<Object> result = new ArrayList<>();
        for (long i = from; isForward ? i < to : i > to; i = saturatedSum(i, stride)) {
            result.add(list.get((int) i));
        }
        return result;
    }

    private static long saturatedSum(long a, long b) {
        long sum = a + b;
        return b > 0 && sum < a ? Long.MAX_VALUE : b < 0 && sum > a ? Long.MIN_VALUE : sum;
    }

    private static long clamp(@Nullable Long bound, long absent, long size, long highest, long lowest) {
        if (bound == null) {
            return absent;
        }
        long position = bound < 0 ? bound + size : bound;
        return Math.max(lowest, Math.min(highest, position));
    }
}
