package dev.tandem.text.template;

/** A template that cannot be parsed, refuses its input or exceeds a limit. The caller's mistake: HTTP 400. */
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean isComplete;

    public TemplateException(String message) {
        this(message, false);
    }

    private TemplateException(String message, boolean isComplete) {
        super(message);
        this.isComplete = isComplete;
    }

    /** With the line of the template, counted from 1. */
    static TemplateException at(int line, String message) {
        return new TemplateException(message + " (template line " + line + ")", true);
    }

    /** What the template itself says by {@code raise_exception}: its message and nothing else. */
    static TemplateException raised(String message) {
        return new TemplateException(message, true);
    }

    /** This exception with the line, unless it names one already or is in the template's own words. */
    TemplateException located(int line) {
        return isComplete ? this : at(line, String.valueOf(getMessage()));
    }
}
