package dev.tandem.engine.cluster.channel;

/** What a peer sent is not a frame that may come now; the connection ends with it. The message names field, limit and found value. */
public final class FrameException extends Exception {
    private static final long serialVersionUID = 1L;
    private static final int SHOWN_CHARACTERS = 64;

    public FrameException(String field, String allowed, Object found) {
        super(field + " is " + shown(found) + ", but must be " + allowed);
    }

    public FrameException(String message, Throwable cause) {
        super(message, cause);
    }

    private static String shown(Object found) {
        String text = String.valueOf(found).replaceAll("\\p{Cc}", "?");
        return text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS) + "…";
    }
}
