package dev.tandem.text.template;

import java.time.LocalDateTime;

/** One rendering: its limits, its clock, and the two halves of the interpreter. Belongs to one thread. */
final class TemplateRun {
    private final TemplateBudget budget;
    private final LocalDateTime now;
    private final ExpressionEvaluator expressions = new ExpressionEvaluator(this);
    private final StatementRunner statements = new StatementRunner(this);

    TemplateRun(TemplateBudget budget, LocalDateTime now) {
        this.budget = budget;
        this.now = now;
    }

    TemplateBudget budget() {
        return budget;
    }

    LocalDateTime now() {
        return now;
    }

    ExpressionEvaluator expressions() {
        return expressions;
    }

    StatementRunner statements() {
        return statements;
    }

    /** {@code str(value)} */
    String text(Object value) {
        return PythonPrinter.text(value, budget);
    }
}
