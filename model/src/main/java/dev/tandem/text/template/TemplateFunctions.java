package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.Namespace;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Range;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions that a template finds among its variables. */
final class TemplateFunctions {
    private TemplateFunctions() {}

    static Map<String, Callable> all() {
        return Map.of(
                "range", (arguments, run) -> range(arguments),
                "namespace", TemplateFunctions::namespace,
                "dict", TemplateFunctions::dict,
                "raise_exception",
                        (arguments, run) -> {
                            Object message =
                                    arguments.bind("raise_exception", "message").required(0);
                            throw TemplateException.raised(run.text(message));
                        },
                "strftime_now",
                        (arguments, run) -> {
                            String format =
                                    arguments.bind("strftime_now", "format").requiredString(0);
                            return run.budget().text(PythonTime.format(format, run.now()));
                        });
    }

    private static Object range(Arguments arguments) {
        Arguments.Bound bound = arguments.bind("range", "start", "stop", "step");
        bound.required(0);
        long first = bound.integer(0, 0);
        long step = bound.integer(2, 1);
        if (step == 0) {
            throw new TemplateException("range's 'step' is zero");
        }
        return bound.has(1) ? new Range(first, bound.integer(1, 0), step) : new Range(0, first, step);
    }

    private static Object namespace(Arguments arguments, TemplateRun run) {
        Namespace namespace = new Namespace();
        merged("namespace", arguments, run).forEach((name, value) -> namespace.set(run.text(name), value));
        return namespace;
    }

    private static Object dict(Arguments arguments, TemplateRun run) {
        return merged("dict", arguments, run);
    }

    /** A dict or pairs as the only positional argument, then the named ones. */
    private static Map<Object, Object> merged(String callee, Arguments arguments, TemplateRun run) {
        Object base = new Arguments(arguments.positional(), Map.of())
                .bind(callee, "mapping")
                .value(0, None.NONE);
        Map<Object, Object> merged = new LinkedHashMap<>();
        if (base instanceof Map<?, ?> map) {
            run.budget().elements(map.size());
            merged.putAll(map);
        } else if (base != None.NONE) {
            for (Object item : PythonValues.iterate(base, run.budget())) {
                List<?> pair = PythonValues.iterate(item, run.budget());
                if (pair.size() != 2) {
                    throw new TemplateException(callee + " takes pairs");
                }
                run.budget().elements(1);
                merged.put(PythonValues.key(pair.get(0)), pair.get(1));
            }
        }
        merged.putAll(arguments.named());
        return merged;
    }
}
