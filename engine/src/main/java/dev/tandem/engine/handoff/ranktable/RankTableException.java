package dev.tandem.engine.handoff.ranktable;

/** A rank table that cannot be used; the message names file, list, index and field, what was expected and what was found. */
public final class RankTableException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int SHOWN_CHARACTERS = 160;

    public RankTableException(String message) {
        super(message);
    }

    public RankTableException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * The usual refusal.
     *
     * @param where list, index and field
     * @param found shown shortened and without control characters
     */
    static RankTableException refuse(String where, String expected, Object found) {
        return new RankTableException(where + ": expected " + expected + ", found " + shown(found));
    }

    /** The same refusal, told with where it happened in front. */
    RankTableException inside(String where) {
        return new RankTableException(where + getMessage(), this);
    }

    /** {@code value} as text that is safe to print: short, on one line. */
    static String shown(Object value) {
        String text = String.valueOf(value).replaceAll("\\p{Cc}", "?");
        return text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS) + "…";
    }
}
