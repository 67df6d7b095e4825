package dev.tandem.text.template;

/**
 * What one rendering may still use. Every evaluated node, every element put into a list and every character put into a string is counted,
 * so a template ends quickly whatever it does. Owned by one rendering.
 */
final class TemplateBudget {
    private static final long MAX_STEPS = 10_000_000;

    private static final int STEPS_PER_CHARACTER_OF_INPUT = 8;
    private static final int STEPS_PER_ELEMENT = 4;
    private static final int CHARACTERS_READ_PER_STEP = 16;
    /** Characters in all strings together; a template may copy its input several times over. */
    private static final long MAX_CHARACTERS = 32L << 20;

    private static final int COPIES_OF_INPUT = 16;
    /** Nested evaluations, macro calls and values inside values. */
    private static final int MAX_DEPTH = 500;

    static final int MAX_RANGE = 100_000;

    private final long maxSteps;
    private final long maxCharacters;
    private long steps;
    private long characters;
    private int depth;

    private TemplateBudget(long maxSteps, long maxCharacters) {
        this.maxSteps = maxSteps;
        this.maxCharacters = maxCharacters;
    }

    /** Grows with what is to be rendered. */
    static TemplateBudget of(long inputCharacters) {
        return new TemplateBudget(
                MAX_STEPS + STEPS_PER_CHARACTER_OF_INPUT * inputCharacters,
                MAX_CHARACTERS + COPIES_OF_INPUT * inputCharacters);
    }

    /** So much and no more. */
    static TemplateBudget fixed(long maxSteps, long maxCharacters) {
        return new TemplateBudget(maxSteps, maxCharacters);
    }

    void step() {
        work(1);
    }

    void elements(long count) {
        work(STEPS_PER_ELEMENT * count);
    }

    /** Reading through a value: free but for strings, of which a stretch takes as long as a step. */
    void reading(Object value) {
        if (value instanceof String text) {
            work(text.length() / CHARACTERS_READ_PER_STEP);
        }
    }

    /** Looking for a part in a text: in the worst case each place of the text is compared with all of the part. */
    void searching(String text, String part) {
        comparing(Math.max(0, (long) text.length() - part.length()) + 1, part);
    }

    /** Comparing a part, or each of its characters, so many times. */
    void comparing(long times, String part) {
        work(times * Math.max(1, part.length()) / CHARACTERS_READ_PER_STEP);
    }

    private void work(long count) {
        steps += count;
        if (steps > maxSteps) {
            throw new TemplateException("the template takes more than " + maxSteps + " steps");
        }
    }

    /** To be called before the characters are put anywhere. */
    void characters(long count) {
        characters += count;
        if (characters > maxCharacters) {
            throw new TemplateException("the template makes more than " + maxCharacters + " characters of text");
        }
    }

    /** Counts a string that is already there, such as a part of one that was counted. */
    String text(String text) {
        characters(text.length());
        return text;
    }

    /** Every call is followed by {@link #leave}, unless it throws or the rendering ends. */
    void enter() {
        depth++;
        if (depth > MAX_DEPTH) {
            throw new TemplateException("the template nests deeper than " + MAX_DEPTH + " levels");
        }
        step();
    }

    void leave() {
        depth--;
    }
}
