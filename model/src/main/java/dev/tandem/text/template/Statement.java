package dev.tandem.text.template;

import dev.tandem.text.template.Expression.Filter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The tree of a template outside its expressions. */
sealed interface Statement {
    /** Text as it is. */
    record Text(String text) implements Statement {}

    record Print(Expression value) implements Statement {}

    /** @param condition items without it are not seen by the loop */
    record For(
            Target target,
            Expression items,
            @Nullable Expression condition,
            boolean isRecursive,
            Bodies bodies,
            int line)
            implements Statement {}

    /** @param otherwise what runs when there was no item, no branch, no match */
    record Bodies(List<Statement> body, List<Statement> otherwise) {}

    record If(List<Branch> branches, List<Statement> otherwise) implements Statement {}

    record Branch(Expression condition, List<Statement> body) {}

    record Set(Target target, Expression value, int line) implements Statement {}

    /** {@code {% set name | filter %}body{% endset %}} */
    record SetBlock(Target target, List<Filter> filters, List<Statement> body, int line) implements Statement {}

    record DefineMacro(Macro macro, int line) implements Statement {}

    /** {@code {% call(parameters) callee(…) %}body{% endcall %}} */
    record CallBlock(Expression.Call call, Macro caller, int line) implements Statement {}

    record FilterBlock(List<Filter> filters, List<Statement> body, int line) implements Statement {}

    record With(List<Target> targets, List<Expression> values, List<Statement> body, int line) implements Statement {}

    /** Statements without meaning of their own around them: {@code {% generation %}}. */
    record Group(List<Statement> body) implements Statement {}

    record Break() implements Statement {}

    record Continue() implements Statement {}

    /** @param defaults of the last parameters */
    record Macro(String name, List<String> parameters, List<Expression> defaults, List<Statement> body) {}

    /** What is assigned to. */
    sealed interface Target {
        record Variable(String name) implements Target {}

        /** An attribute of a namespace. */
        record Member(String namespace, String name) implements Target {}

        record Unpacked(List<Target> targets) implements Target {}
    }
}
