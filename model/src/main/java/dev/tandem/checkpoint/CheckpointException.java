package dev.tandem.checkpoint;

import java.nio.file.Path;
import java.util.List;

/** A checkpoint that cannot be used; the message names file, tensor or key, what was expected and what was found. */
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int SHOWN_CHARACTERS = 120;

    public CheckpointException(String message) {
        super(message);
    }

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * The usual refusal.
     *
     * @param file where it stands
     * @param subject tensor, key or part of the file
     * @param expected what a good file has there
     * @param found what this file has there; shown shortened and without control characters
     */
    static CheckpointException refuse(Path file, String subject, String expected, Object found) {
        return new CheckpointException(
                file + ": " + shown(subject) + ": expected " + expected + ", found " + shown(found));
    }

    /** {@code value} as text that is safe to print: short, on one line. */
    static String shown(Object value) {
        String text = value instanceof List<?> list && list.size() > 16
                ? list.subList(0, 16) + " and " + (list.size() - 16) + " more"
                : String.valueOf(value);
        var printable = new StringBuilder();
        for (int i = 0; i < Math.min(text.length(), SHOWN_CHARACTERS); i++) {
            char c = text.charAt(i);
            if (Character.isISOControl(c)) {
                printable.append("\\x").append(Integer.toHexString(c));
            } else {
                printable.append(c);
            }
        }
        return text.length() > SHOWN_CHARACTERS ? printable + "…" : printable.toString();
    }
}
