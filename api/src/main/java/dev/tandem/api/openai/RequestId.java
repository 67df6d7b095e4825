package dev.tandem.api.openai;

/** What {@code X-Request-Id} may hold. Pure. */
public final class RequestId {
    private static final int MAX_LENGTH = 128;

    private RequestId() {}

    /** Whether an id may go into headers, logs and lease keys: letters, digits and {@code -_.:}, at most {@value #MAX_LENGTH}. */
    public static boolean isSafe(String id) {
        if (id.isEmpty() || id.length() > MAX_LENGTH) {
            return false;
        }
        for (int i = 0; i < id.length(); i++) {
            char c = id.charAt(i);
            boolean allowed = (c >= 'a' && c <= 'z')
                    || (c >= 'A' && c <= 'Z')
                    || (c >= '0' && c <= '9')
                    || "-_.:".indexOf(c) >= 0;
            if (!allowed) {
                return false;
            }
        }
        return true;
    }
}
