package dev.tandem.text.template;

import java.util.AbstractList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The kinds of value that have no class of their own in the JDK. The others: {@link String}, {@link Boolean}, {@link Long},
 * {@link java.math.BigInteger} (passed through only), {@link Double}, {@link List}, {@link Map}.
 */
final class TemplateValues {
    private TemplateValues() {}

    /** Python's {@code None}. */
    enum None {
        NONE
    }

    /**
     * A name, attribute or item that does not exist: prints as nothing, is false and empty, and fails when something is wanted of it.
     *
     * @param reason what is missing, for that failure
     */
    record Undefined(String reason) {
        TemplateException failure() {
            return new TemplateException(reason);
        }
    }

    /** An immutable sequence that prints with parentheses and equals no list. */
    static final class Tuple extends AbstractList<Object> {
        private final Object[] items;

        Tuple(Object... items) {
            this.items = items;
        }

        @Override
        public Object get(int index) {
            return items[index];
        }

        @Override
        public int size() {
            return items.length;
        }
    }

    /** An arithmetic progression that takes no memory. */
    static final class Range extends AbstractList<Object> {
        private final long start;
        private final long stop;
        private final long step;
        private final int size;

        Range(long start, long stop, long step) {
            this.start = start;
            this.stop = stop;
            this.step = step;
            long count = step > 0 ? ceilDiv(stop, start, step) : ceilDiv(start, stop, -step);
            if (count > TemplateBudget.MAX_RANGE) {
                throw new TemplateException("range has more than " + TemplateBudget.MAX_RANGE + " items");
            }
            size = (int) count;
        }

        private static long ceilDiv(long high, long low, long step) {
            return high <= low ? 0 : Math.ceilDivExact(Math.subtractExact(high, low), step);
        }

        @Override
        public Object get(int index) {
            return start + index * step;
        }

        @Override
        public int size() {
            return size;
        }

        String description() {
            return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
        }
    }

    /** The one mutable value: {@code namespace(...)}, whose attributes {@code set} may change from an inner scope. */
    static final class Namespace {
        private final Map<String, Object> attributes = new LinkedHashMap<>();

        Object get(String name) {
            Object value = attributes.get(name);
            return value != null ? value : new Undefined("the namespace has no attribute '" + name + "'");
        }

        void set(String name, Object value) {
            attributes.put(name, value);
        }
    }

    /** A function, macro or method. */
    @FunctionalInterface
    interface Callable {
        Object call(Arguments arguments, TemplateRun run);
    }
}
