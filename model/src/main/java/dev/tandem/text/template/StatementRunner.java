package dev.tandem.text.template;

import dev.tandem.text.template.Expression.Filter;
import dev.tandem.text.template.Statement.Branch;
import dev.tandem.text.template.Statement.Macro;
import dev.tandem.text.template.Statement.Target;
import dev.tandem.text.template.TemplateValues.Callable;
import dev.tandem.text.template.TemplateValues.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Carries out the tags of a template. */
final class StatementRunner {
    /** How the statements of a body came to their end. */
    private enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    /** A macro with the variables around its definition. */
    private record MacroValue(Macro macro, Scope scope) implements Callable {
        @Override
        public Object call(Arguments arguments, TemplateRun run) {
            return run.statements().callMacro(macro, scope, arguments);
        }
    }

    private final TemplateRun run;

    StatementRunner(TemplateRun run) {
        this.run = run;
    }

    void runAll(List<Statement> statements, Scope scope, BoundedText output) {
        runBody(statements, scope, output);
    }

    private Flow runBody(List<Statement> statements, Scope scope, BoundedText output) {
        run.budget().enter();
        Flow flow = Flow.NEXT;
        for (int i = 0; i < statements.size() && flow == Flow.NEXT; i++) {
            flow = runOne(statements.get(i), scope, output);
        }
        run.budget().leave();
        return flow;
    }

    private Flow runOne(Statement statement, Scope scope, BoundedText output) {
        run.budget().step();
        switch (statement) {
            case Statement.Text text -> output.append(text.text());
            case Statement.Print print -> output.append(run.text(evaluate(print.value(), scope)));
            case Statement.If branches -> {
                return runIf(branches, scope, output);
            }
            case Statement.For loop -> {
                return located(loop.line(), () -> runLoop(loop, evaluate(loop.items(), scope), scope, output, 0));
            }
            case Statement.Group group -> {
                return runBody(group.body(), scope, output);
            }
            case Statement.With with -> {
                return located(with.line(), () -> runWith(with, scope, output));
            }
            case Statement.Set set ->
                located(set.line(), () -> assign(set.target(), evaluate(set.value(), scope), scope));
            case Statement.SetBlock set ->
                located(set.line(), () -> assign(set.target(), filtered(set.body(), set.filters(), scope), scope));
            case Statement.FilterBlock filter -> {
                String text = run.text(filtered(filter.body(), filter.filters(), scope));
                located(filter.line(), () -> appended(text, output));
            }
            case Statement.DefineMacro define ->
                scope.set(define.macro().name(), new MacroValue(define.macro(), scope));
            case Statement.CallBlock call -> output.append(run.text(located(call.line(), () -> callWith(call, scope))));
            case Statement.Break end -> {
                return Flow.BREAK;
            }
            case Statement.Continue next -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.NEXT;
    }

    private static Flow appended(String text, BoundedText output) {
        output.append(text);
        return Flow.NEXT;
    }

    private interface Step<T> {
        T run();
    }

    private static <T> T located(int line, Step<T> step) {
        try {
            return step.run();
        } catch (TemplateException e) {
            throw e.located(line);
        }
    }

    private Object evaluate(Expression expression, Scope scope) {
        return run.expressions().evaluate(expression, scope);
    }

    private Flow runIf(Statement.If branches, Scope scope, BoundedText output) {
        for (Branch branch : branches.branches()) {
            if (PythonValues.isTrue(evaluate(branch.condition(), scope))) {
                return runBody(branch.body(), scope, output);
            }
        }
        return runBody(branches.otherwise(), scope, output);
    }

    private Flow runLoop(Statement.For loop, Object container, Scope scope, BoundedText output, int depth) {
        List<?> items = accepted(loop, PythonValues.iterate(container, run.budget()), scope);
        if (items.isEmpty()) {
            return runBody(loop.bodies().otherwise(), new Scope(scope), output);
        }
        Callable recursion = (arguments, ignored) -> {
            BoundedText text = new BoundedText(run.budget());
            runLoop(loop, arguments.bind("loop", "items").required(0), scope, text, depth + 1);
            return text.toString();
        };
        LoopState state = new LoopState(items, depth, loop.isRecursive() ? recursion : null);
        for (int i = 0; i < items.size(); i++) {
            run.budget().elements(1);
            state.moveTo(i);
            Scope inner = new Scope(scope);
            inner.set("loop", state);
            assign(loop.target(), items.get(i), inner);
            if (runBody(loop.bodies().body(), inner, output) == Flow.BREAK) {
                break;
            }
        }
        return Flow.NEXT;
    }

    /** The items that the loop's condition lets through. */
    private List<?> accepted(Statement.For loop, List<?> items, Scope scope) {
        Expression condition = loop.condition();
        if (condition == null) {
            return items;
        }
        run.budget().elements(items.size());
        List<Object> accepted = new ArrayList<>();
        for (Object item : items) {
            Scope inner = new Scope(scope);
            assign(loop.target(), item, inner);
            if (PythonValues.isTrue(evaluate(condition, inner))) {
                accepted.add(item);
            }
        }
        return accepted;
    }

    private Flow runWith(Statement.With with, Scope scope, BoundedText output) {
        Scope inner = new Scope(scope);
        for (int i = 0; i < with.targets().size(); i++) {
            assign(with.targets().get(i), evaluate(with.values().get(i), scope), inner);
        }
        return runBody(with.body(), inner, output);
    }

    private Object filtered(List<Statement> body, List<Filter> filters, Scope scope) {
        BoundedText text = new BoundedText(run.budget());
        runBody(body, new Scope(scope), text);
        Object value = text.toString();
        for (Filter filter : filters) {
            Object input = value;
            value = located(filter.line(), () -> run.expressions().filter(filter, input, scope));
        }
        return value;
    }

    private Flow assign(Target target, Object value, Scope scope) {
        switch (target) {
            case Target.Variable variable -> scope.set(variable.name(), value);
            case Target.Member member ->
                ExpressionEvaluator.assignMember(scope.find(member.namespace()), member.name(), value);
            case Target.Unpacked unpacked -> {
                List<?> values = PythonValues.iterate(value, run.budget());
                if (values.size() != unpacked.targets().size()) {
                    throw new TemplateException(values.size() + " values cannot be assigned to "
                            + unpacked.targets().size() + " targets");
                }
                for (int i = 0; i < values.size(); i++) {
                    assign(unpacked.targets().get(i), values.get(i), scope);
                }
            }
        }
        return Flow.NEXT;
    }

    private Object callWith(Statement.CallBlock block, Scope scope) {
        Arguments arguments = run.expressions().evaluateArguments(block.call().arguments(), scope);
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        named.put("caller", new MacroValue(block.caller(), scope));
        Object callee = evaluate(block.call().callee(), scope);
        return run.expressions().call(callee, new Arguments(arguments.positional(), named));
    }

    private Object callMacro(Macro macro, Scope definition, Arguments arguments) {
        Scope scope = new Scope(definition);
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        Object caller = named.remove("caller");
        if (caller != null) {
            scope.set("caller", caller);
        }
        List<String> parameters = macro.parameters();
        Arguments.Bound bound = new Arguments(arguments.positional(), named)
                .bind("the macro '" + macro.name() + "'", parameters.toArray(new String[0]));
        int required = parameters.size() - macro.defaults().size();
        for (int i = 0; i < parameters.size(); i++) {
            String parameter = parameters.get(i);
            if (bound.has(i)) {
                scope.set(parameter, bound.required(i));
            } else if (i >= required) {
                scope.set(parameter, evaluate(macro.defaults().get(i - required), scope));
            } else {
                scope.set(parameter, new Undefined("parameter '" + parameter + "' was not provided"));
            }
        }
        BoundedText text = new BoundedText(run.budget());
        runBody(macro.body(), scope, text);
        return text.toString();
    }
}
