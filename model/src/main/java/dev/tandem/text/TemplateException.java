package dev.tandem.text;

/** A template that cannot be parsed, refuses its input or exceeds a limit. The caller's mistake: HTTP 400. */
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public TemplateException(String message) {
        super(message);
    }
}
