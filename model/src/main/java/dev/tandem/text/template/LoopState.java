package dev.tandem.text.template;

import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The variable {@code loop} of one loop. Owned by that loop. */
final class LoopState implements Callable {
    private final List<?> items;
    private final int depth;
    private final @Nullable Callable recursion;
    private int index;
    private @Nullable List<Object> lastChanged;

    /**
     * @param depth of recursion, from 0
     * @param recursion what {@code loop(items)} does, if the loop is recursive
     */
    LoopState(List<?> items, int depth, @Nullable Callable recursion) {
        this.items = items;
        this.depth = depth;
        this.recursion = recursion;
    }

    void moveTo(int itemIndex) {
        index = itemIndex;
    }

    int depth() {
        return depth;
    }

    @Override
    public Object call(Arguments arguments, TemplateRun run) {
        if (recursion == null) {
            throw new TemplateException("the loop is not recursive");
        }
        return recursion.call(arguments, run);
    }

    Object attribute(String name) {
        int count = items.size();
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "revindex" -> (long) count - index;
            case "revindex0" -> count - index - 1L;
            case "first" -> index == 0;
            case "last" -> index == count - 1;
            case "length" -> (long) count;
            case "depth" -> depth + 1L;
            case "depth0" -> (long) depth;
            case "previtem" -> index > 0 ? items.get(index - 1) : new Undefined("there is no previous item");
            case "nextitem" -> index + 1 < count ? items.get(index + 1) : new Undefined("there is no next item");
            case "cycle" -> (Callable) (arguments, run) -> cycled(arguments);
            case "changed" -> (Callable) (arguments, run) -> isChanged(arguments, run);
            default -> new Undefined("loop has no attribute '" + name + "'");
        };
    }

    private Object cycled(Arguments arguments) {
        List<Object> choices = arguments.positional();
        if (choices.isEmpty()) {
            throw new TemplateException("cycle has no items");
        }
        return choices.get(index % choices.size());
    }

    private Object isChanged(Arguments arguments, TemplateRun run) {
        boolean isSame =
                lastChanged != null && PythonValues.areEqual(lastChanged, arguments.positional(), run.budget());
        lastChanged = arguments.positional();
        return !isSame;
    }
}
