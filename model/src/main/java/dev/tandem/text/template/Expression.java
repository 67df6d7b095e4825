package dev.tandem.text.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The tree of an expression. Every node knows its line. */
sealed interface Expression {
    int line();

    record Constant(Object value, int line) implements Expression {}

    record Name(String name, int line) implements Expression {}

    record ListLiteral(List<Expression> items, int line) implements Expression {}

    record TupleLiteral(List<Expression> items, int line) implements Expression {}

    record DictLiteral(List<Expression> keys, List<Expression> values, int line) implements Expression {}

    /** {@code object.name} */
    record Attribute(Expression object, String name, int line) implements Expression {}

    /** {@code object[key]} */
    record Item(Expression object, Expression key, int line) implements Expression {}

    /** {@code object[start:stop:step]} */
    record Slice(
            Expression object,
            @Nullable Expression start,
            @Nullable Expression stop,
            @Nullable Expression step,
            int line)
            implements Expression {}

    record Call(Expression callee, CallArguments arguments, int line) implements Expression {}

    /** {@code value|filter(…)} */
    record Filtered(Expression value, Filter filter, int line) implements Expression {}

    /** {@code value is test(…)} */
    record Tested(Expression value, String test, CallArguments arguments, boolean isNegated, int line)
            implements Expression {}

    /** {@code -x}, {@code +x}, {@code not x} */
    record Unary(String operator, Expression operand, int line) implements Expression {}

    record Binary(String operator, Expression left, Expression right, int line) implements Expression {}

    /** {@code and}, {@code or}: gives one of its operands. */
    record Logical(boolean isAnd, Expression left, Expression right, int line) implements Expression {}

    /** {@code a < b <= c …} */
    record Comparison(Expression first, List<Comparand> others, int line) implements Expression {}

    /** {@code a ~ b ~ …} */
    record Concatenation(List<Expression> parts, int line) implements Expression {}

    /** {@code then if condition else otherwise} */
    record Conditional(
            Expression condition, Expression then, @Nullable Expression otherwise, int line) implements Expression {}

    record Comparand(String operator, Expression operand) {}

    record Filter(String name, CallArguments arguments, int line) {}

    record CallArguments(List<Expression> positional, List<NamedArgument> named) {
        static final CallArguments NONE = new CallArguments(List.of(), List.of());
    }

    record NamedArgument(String name, Expression value) {}
}
