package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Tuple;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Methods of {@code dict} and {@code list} that change nothing. */
final class ContainerMethods {
    private ContainerMethods() {}

    static Optional<Object> find(Map<?, ?> map, String name) {
        return callable(
                switch (name) {
                    case "items" -> (arguments, run) -> items(map, run);
                    case "keys" -> (arguments, run) -> copy(new ArrayList<>(map.keySet()), run);
                    case "values" -> (arguments, run) -> copy(new ArrayList<>(map.values()), run);
                    case "copy" ->
                        (arguments, run) -> {
                            run.budget().elements(map.size());
                            return new LinkedHashMap<Object, Object>(map);
                        };
                    case "get" ->
                        (arguments, run) -> {
                            Arguments.Bound bound = arguments.bind("get", "key", "default");
                            Object value = map.get(PythonValues.key(bound.required(0)));
                            return value == null ? bound.value(1, None.NONE) : value;
                        };
                    default -> null;
                });
    }

    static Optional<Object> find(List<?> list, String name) {
        return callable(
                switch (name) {
                    case "count" ->
                        (arguments, run) -> {
                            Object wanted = arguments.bind("count", "value").required(0);
                            return list.stream()
                                    .filter(item -> PythonValues.areEqual(item, wanted, run.budget()))
                                    .count();
                        };
                    case "index" -> (arguments, run) -> index(list, arguments, run);
                    case "copy" -> (arguments, run) -> copy(new ArrayList<>(list), run);
                    default -> null;
                });
    }

    private static Optional<Object> callable(@Nullable Callable callable) {
        return Optional.ofNullable(callable);
    }

    /** Pairs of key and value. */
    static List<Object> items(Map<?, ?> map, TemplateRun run) {
        run.budget().elements(2L * map.size());
        List<Object> items = new ArrayList<>(map.size());
        map.forEach((key, value) -> items.add(new Tuple(key, value)));
        return items;
    }

    private static Object copy(List<Object> copy, TemplateRun run) {
        run.budget().elements(copy.size());
        return copy;
    }

    private static Object index(List<?> list, Arguments arguments, TemplateRun run) {
        Object wanted = arguments.bind("index", "value").required(0);
        for (int i = 0; i < list.size(); i++) {
            if (PythonValues.areEqual(list.get(i), wanted, run.budget())) {
                return (long) i;
            }
        }
        throw new TemplateException("the value is not in the list");
    }
}
