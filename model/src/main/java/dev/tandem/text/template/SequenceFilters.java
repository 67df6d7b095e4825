package dev.tandem.text.template;

import dev.tandem.text.template.TemplateFilters.Filter;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Tuple;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;

/** Filters that see their value as a sequence. Where Jinja2 gives a generator they give a list. */
final class SequenceFilters {
    private SequenceFilters() {}

    static Map<String, Filter> all() {
        return Map.ofEntries(
                Map.entry("list", (value, arguments, run) -> copy(value, run)),
                Map.entry("first", SequenceFilters::first),
                Map.entry("last", SequenceFilters::last),
                Map.entry("join", SequenceFilters::join),
                Map.entry("items", SequenceFilters::items),
                Map.entry("dictsort", SequenceFilters::dictSort),
                Map.entry("sort", SequenceFilters::sort),
                Map.entry("unique", SequenceFilters::unique),
                Map.entry("reverse", SequenceFilters::reverse),
                Map.entry("map", SequenceFilters::map),
                Map.entry("select", (value, arguments, run) -> select(value, arguments, run, true)),
                Map.entry("reject", (value, arguments, run) -> select(value, arguments, run, false)),
                Map.entry("selectattr", (value, arguments, run) -> selectByAttribute(value, arguments, run, true)),
                Map.entry("rejectattr", (value, arguments, run) -> selectByAttribute(value, arguments, run, false)),
                Map.entry("batch", SequenceFilters::batch),
                Map.entry("sum", SequenceFilters::sum),
                Map.entry("min", (value, arguments, run) -> extreme(value, arguments, run, -1)),
                Map.entry("max", (value, arguments, run) -> extreme(value, arguments, run, 1)));
    }

    private static List<Object> copy(Object value, TemplateRun run) {
        List<?> items = PythonValues.iterate(value, run.budget());
        run.budget().elements(items.size());
        return new ArrayList<>(items);
    }

    private static Object first(Object value, Arguments arguments, TemplateRun run) {
        List<?> items = PythonValues.iterate(value, run.budget());
        return items.isEmpty() ? new Undefined("there is no first item, the sequence is empty") : items.getFirst();
    }

    private static Object last(Object value, Arguments arguments, TemplateRun run) {
        List<?> items = PythonValues.iterate(value, run.budget());
        return items.isEmpty() ? new Undefined("there is no last item, the sequence is empty") : items.getLast();
    }

    private static Object join(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("join", "d", "attribute");
        String separator = run.text(bound.value(0, ""));
        Function<Object, Object> part = attributeOf(bound.value(1, None.NONE), run);
        BoundedText text = new BoundedText(run.budget());
        List<?> items = PythonValues.iterate(value, run.budget());
        for (int i = 0; i < items.size(); i++) {
            run.budget().step();
            text.append(i == 0 ? "" : separator).append(run.text(part.apply(items.get(i))));
        }
        return text.toString();
    }

    private static Object items(Object value, Arguments arguments, TemplateRun run) {
        return switch (value) {
            case Undefined undefined -> List.of();
            case Map<?, ?> map -> ContainerMethods.items(map, run);
            default -> throw new TemplateException("items takes a dict, not " + PythonValues.typeName(value));
        };
    }

    private static Object dictSort(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("dictsort", "case_sensitive", "by", "reverse");
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException("dictsort takes a dict, not " + PythonValues.typeName(value));
        }
        String by = bound.string(1, "key");
        if (!by.equals("key") && !by.equals("value")) {
            throw new TemplateException("dictsort's 'by' is key or value, not " + by);
        }
        int part = by.equals("key") ? 0 : 1;
        boolean isCaseSensitive = bound.flag(0, false);
        Function<Object, Object> key = pair -> folded(((Tuple) pair).get(part), isCaseSensitive);
        return sorted(ContainerMethods.items(map, run), key, bound.flag(2, false), run);
    }

    private static Object sort(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("sort", "reverse", "case_sensitive", "attribute");
        boolean isCaseSensitive = bound.flag(1, false);
        Function<Object, Object> attributes = attributesOf(bound.value(2, None.NONE), isCaseSensitive, run);
        return sorted(copy(value, run), attributes, bound.flag(0, false), run);
    }

    private static List<Object> sorted(
            List<Object> items, Function<Object, Object> key, boolean isReversed, TemplateRun run) {
        run.budget().elements(items.size());
        List<Tuple> keyed = new ArrayList<>();
        for (Object item : items) {
            keyed.add(new Tuple(key.apply(item), item));
        }
        Comparator<Tuple> order = (a, b) -> PythonValues.compare(a.get(0), b.get(0), run.budget());
        try {
            keyed.sort(isReversed ? order.reversed() : order);
        } catch (IllegalArgumentException e) {
            throw new TemplateException("the values have no order"); // such as NaN among numbers
        }
        List<Object> result = new ArrayList<>();
        keyed.forEach(pair -> result.add(pair.get(1)));
        return result;
    }

    private static Object unique(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("unique", "case_sensitive", "attribute");
        Function<Object, Object> attribute = attributeOf(bound.value(1, None.NONE), run);
        boolean isCaseSensitive = bound.flag(0, false);
        List<Object> seen = new ArrayList<>();
        List<Object> result = new ArrayList<>();
        for (Object item : PythonValues.iterate(value, run.budget())) {
            Object key = folded(attribute.apply(item), isCaseSensitive);
            if (seen.stream().noneMatch(other -> PythonValues.areEqual(other, key, run.budget()))) {
                run.budget().elements(2);
                seen.add(key);
                result.add(item);
            }
        }
        return result;
    }

    private static Object folded(Object key, boolean isCaseSensitive) {
        return key instanceof String text && !isCaseSensitive ? PythonText.lower(text) : key;
    }

    private static Object reverse(Object value, Arguments arguments, TemplateRun run) {
        if (value instanceof String text) {
            return run.budget().text(new StringBuilder(text).reverse().toString());
        }
        return copy(value, run).reversed();
    }

    /** No items for whatever is false: these filters do not look at it, so that {@code none} passes. */
    private static List<?> itemsIfTrue(Object value, TemplateRun run) {
        return PythonValues.isTrue(value) ? PythonValues.iterate(value, run.budget()) : List.of();
    }

    private static Object map(Object value, Arguments arguments, TemplateRun run) {
        Function<Object, Object> function;
        if (arguments.positional().isEmpty()) {
            Arguments.Bound bound = arguments.bind("map", "attribute", "default");
            Function<Object, Object> attribute = attributeOf(bound.required(0), run);
            function = item -> {
                Object found = attribute.apply(item);
                return found instanceof Undefined ? bound.value(1, found) : found;
            };
        } else {
            String name = run.text(arguments.positional().getFirst());
            Arguments rest = arguments.without(1);
            function = item -> TemplateFilters.apply(name, item, rest, run);
        }
        List<Object> result = new ArrayList<>();
        for (Object item : itemsIfTrue(value, run)) {
            run.budget().elements(1);
            result.add(function.apply(item));
        }
        return result;
    }

    private static Object select(Object value, Arguments arguments, TemplateRun run, boolean keepsMatches) {
        return matching(value, test(arguments, run), keepsMatches, run);
    }

    private static Object selectByAttribute(Object value, Arguments arguments, TemplateRun run, boolean keepsMatches) {
        if (arguments.positional().isEmpty()) {
            throw new TemplateException("selectattr and rejectattr need an attribute");
        }
        Function<Object, Object> attribute = attributeOf(arguments.positional().getFirst(), run);
        Predicate<Object> test = test(arguments.without(1), run);
        return matching(value, item -> test.test(attribute.apply(item)), keepsMatches, run);
    }

    private static List<Object> matching(Object value, Predicate<Object> test, boolean keepsMatches, TemplateRun run) {
        List<Object> result = new ArrayList<>();
        for (Object item : itemsIfTrue(value, run)) {
            run.budget().elements(1);
            if (test.test(item) == keepsMatches) {
                result.add(item);
            }
        }
        return result;
    }

    /** The test named by the first argument, with the others; without any, truth. */
    private static Predicate<Object> test(Arguments arguments, TemplateRun run) {
        if (arguments.positional().isEmpty()) {
            return PythonValues::isTrue;
        }
        String name = run.text(arguments.positional().getFirst());
        Arguments rest = arguments.without(1);
        return item -> TemplateTests.holds(name, item, rest, run);
    }

    private static Object batch(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("batch", "linecount", "fill_with");
        bound.required(0);
        long size = bound.integer(0, 1);
        if (size < 1 || size > TemplateBudget.MAX_RANGE) {
            throw new TemplateException("batch's 'linecount' " + size + " is out of range");
        }
        List<Object> batches = new ArrayList<>();
        List<Object> current = new ArrayList<>();
        for (Object item : copy(value, run)) {
            if (current.size() == size) {
                batches.add(current);
                current = new ArrayList<>();
            }
            current.add(item);
        }
        if (!current.isEmpty()) {
            run.budget().elements(bound.has(1) ? size - current.size() : 0);
            while (bound.has(1) && current.size() < size) {
                current.add(bound.required(1));
            }
            batches.add(current);
        }
        return batches;
    }

    private static Object sum(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("sum", "attribute", "start");
        Function<Object, Object> attribute = attributeOf(bound.value(0, None.NONE), run);
        Object sum = bound.value(1, 0L);
        for (Object item : PythonValues.iterate(value, run.budget())) {
            run.budget().step();
            sum = PythonArithmetic.apply("+", sum, attribute.apply(item), run.budget());
        }
        return sum;
    }

    private static Object extreme(Object value, Arguments arguments, TemplateRun run, int sign) {
        Arguments.Bound bound = arguments.bind("min", "case_sensitive", "attribute");
        Function<Object, Object> attribute = attributeOf(bound.value(1, None.NONE), run);
        boolean isCaseSensitive = bound.flag(0, false);
        Object best = new Undefined("there is no item, the sequence is empty");
        for (Object item : PythonValues.iterate(value, run.budget())) {
            Object key = folded(attribute.apply(item), isCaseSensitive);
            boolean isBetter = best instanceof Undefined
                    || sign * PythonValues.compare(key, folded(attribute.apply(best), isCaseSensitive), run.budget())
                            > 0;
            best = isBetter ? item : best;
        }
        return best;
    }

    /** The part of an item that an attribute such as {@code function.name} or {@code 0} names; the item itself for None. */
    private static Function<Object, Object> attributeOf(Object attribute, TemplateRun run) {
        if (attribute == None.NONE) {
            return item -> item;
        }
        if (attribute instanceof Long) {
            return item -> Members.item(item, attribute, run);
        }
        String[] names = run.text(attribute).split("\\.", -1);
        return item -> {
            Object part = item;
            for (String name : names) {
                boolean isIndex =
                        !name.isEmpty() && name.length() < 10 && name.chars().allMatch(c -> c >= '0' && c <= '9');
                part = Members.item(part, isIndex ? (Object) Long.parseLong(name) : name, run);
            }
            return part;
        };
    }

    /** As {@link #attributeOf}, or a tuple where several attributes stand with commas between. */
    private static Function<Object, Object> attributesOf(Object attributes, boolean isCaseSensitive, TemplateRun run) {
        if (!(attributes instanceof String text) || text.indexOf(',') < 0) {
            Function<Object, Object> single = attributeOf(attributes, run);
            return item -> folded(single.apply(item), isCaseSensitive);
        }
        List<Function<Object, Object>> parts = new ArrayList<>();
        for (String name : text.split(",", -1)) {
            parts.add(attributeOf(name, run));
        }
        return item -> new Tuple(parts.stream()
                .map(part -> folded(part.apply(item), isCaseSensitive))
                .toArray());
    }
}
