package dev.tandem.text.template;

/** Text under construction whose characters count against a budget. */
final class BoundedText {
    private final StringBuilder text = new StringBuilder();
    private final TemplateBudget budget;

    BoundedText(TemplateBudget budget) {
        this.budget = budget;
    }

    BoundedText append(String part) {
        budget.characters(part.length());
        text.append(part);
        return this;
    }

    BoundedText append(char part) {
        budget.characters(1);
        text.append(part);
        return this;
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
