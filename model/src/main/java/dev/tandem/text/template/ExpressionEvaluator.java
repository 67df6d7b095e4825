package dev.tandem.text.template;

import dev.tandem.text.template.Expression.CallArguments;
import dev.tandem.text.template.Expression.Comparand;
import dev.tandem.text.template.Expression.NamedArgument;
import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.Namespace;
import dev.tandem.text.template.TemplateValues.None;
import dev.tandem.text.template.TemplateValues.Tuple;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Computes the values of expressions. */
final class ExpressionEvaluator {
    private final TemplateRun run;

    ExpressionEvaluator(TemplateRun run) {
        this.run = run;
    }

    Object evaluate(Expression expression, Scope scope) {
        TemplateBudget budget = run.budget();
        budget.enter();
        try {
            return value(expression, scope);
        } catch (TemplateException e) {
            throw e.located(expression.line());
        } finally {
            budget.leave();
        }
    }

    private Object value(Expression expression, Scope scope) {
        return switch (expression) {
            case Expression.Constant constant -> constant.value();
            case Expression.Name name -> scope.find(name.name());
            case Expression.ListLiteral list -> evaluateAll(list.items(), scope);
            case Expression.TupleLiteral tuple ->
                new Tuple(evaluateAll(tuple.items(), scope).toArray());
            case Expression.DictLiteral dict -> dict(dict, scope);
            case Expression.Attribute attribute ->
                Members.attribute(evaluate(attribute.object(), scope), attribute.name(), run);
            case Expression.Item item -> Members.item(evaluate(item.object(), scope), evaluate(item.key(), scope), run);
            case Expression.Slice slice -> slice(slice, scope);
            case Expression.Call call ->
                call(evaluate(call.callee(), scope), evaluateArguments(call.arguments(), scope));
            case Expression.Filtered filtered -> filter(filtered.filter(), evaluate(filtered.value(), scope), scope);
            case Expression.Tested tested -> tested(tested, scope);
            case Expression.Unary unary -> unary(unary, scope);
            case Expression.Binary binary ->
                PythonArithmetic.apply(
                        binary.operator(),
                        evaluate(binary.left(), scope),
                        evaluate(binary.right(), scope),
                        run.budget());
            case Expression.Logical logical -> {
                Object left = evaluate(logical.left(), scope);
                yield PythonValues.isTrue(left) == logical.isAnd() ? evaluate(logical.right(), scope) : left;
            }
            case Expression.Comparison comparison -> comparison(comparison, scope);
            case Expression.Concatenation concatenation -> concatenation(concatenation, scope);
            case Expression.Conditional conditional -> conditional(conditional, scope);
        };
    }

    private List<Object> evaluateAll(List<Expression> items, Scope scope) {
        run.budget().elements(items.size());
        List<Object> values = new ArrayList<>(items.size());
        for (Expression item : items) {
            values.add(evaluate(item, scope));
        }
        return values;
    }

    Arguments evaluateArguments(CallArguments arguments, Scope scope) {
        Map<String, Object> named = new LinkedHashMap<>();
        List<Object> positional = evaluateAll(arguments.positional(), scope);
        for (NamedArgument argument : arguments.named()) {
            named.put(argument.name(), evaluate(argument.value(), scope));
        }
        return new Arguments(positional, named);
    }

    private Object dict(Expression.DictLiteral dict, Scope scope) {
        Map<Object, Object> values = new LinkedHashMap<>();
        run.budget().elements(dict.keys().size());
        for (int i = 0; i < dict.keys().size(); i++) {
            Object key = PythonValues.key(evaluate(dict.keys().get(i), scope));
            values.put(key, evaluate(dict.values().get(i), scope));
        }
        return values;
    }

    private Object slice(Expression.Slice slice, Scope scope) {
        Object object = evaluate(slice.object(), scope);
        return Members.slice(
                object, bound(slice.start(), scope), bound(slice.stop(), scope), bound(slice.step(), scope), run);
    }

    private @Nullable Long bound(@Nullable Expression expression, Scope scope) {
        if (expression == null) {
            return null;
        }
        Object value = evaluate(expression, scope);
        return value == None.NONE ? null : (Long) PythonValues.integer(value, "a slice's bound");
    }

    Object call(Object callee, Arguments arguments) {
        return switch (callee) {
            case Callable callable -> callable.call(arguments, run);
            case Undefined undefined -> throw undefined.failure();
            default -> throw new TemplateException(PythonValues.typeName(callee) + " cannot be called");
        };
    }

    Object filter(Expression.Filter filter, Object value, Scope scope) {
        return TemplateFilters.apply(filter.name(), value, evaluateArguments(filter.arguments(), scope), run);
    }

    private Object tested(Expression.Tested tested, Scope scope) {
        Object value = evaluate(tested.value(), scope);
        Arguments arguments = evaluateArguments(tested.arguments(), scope);
        return TemplateTests.holds(tested.test(), value, arguments, run) != tested.isNegated();
    }

    private Object unary(Expression.Unary unary, Scope scope) {
        Object operand = evaluate(unary.operand(), scope);
        return switch (unary.operator()) {
            case "not" -> !PythonValues.isTrue(operand);
            case "-" -> PythonArithmetic.negate(operand);
            default -> PythonArithmetic.numeric(operand);
        };
    }

    private Object comparison(Expression.Comparison comparison, Scope scope) {
        Object left = evaluate(comparison.first(), scope);
        for (Comparand other : comparison.others()) {
            Object right = evaluate(other.operand(), scope);
            if (!TemplateTests.compares(other.operator(), left, right, run.budget())) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object concatenation(Expression.Concatenation concatenation, Scope scope) {
        BoundedText text = new BoundedText(run.budget());
        for (Expression part : concatenation.parts()) {
            text.append(run.text(evaluate(part, scope)));
        }
        return text.toString();
    }

    private Object conditional(Expression.Conditional conditional, Scope scope) {
        if (PythonValues.isTrue(evaluate(conditional.condition(), scope))) {
            return evaluate(conditional.then(), scope);
        }
        Expression otherwise = conditional.otherwise();
        return otherwise == null ? new Undefined("the conditional has no else") : evaluate(otherwise, scope);
    }

    /** Assigns to an attribute of a namespace. */
    static void assignMember(Object owner, String name, Object value) {
        if (!(owner instanceof Namespace namespace)) {
            throw new TemplateException(
                    "attributes can be set of a namespace only, not of " + PythonValues.typeName(owner));
        }
        namespace.set(name, value);
    }
}
