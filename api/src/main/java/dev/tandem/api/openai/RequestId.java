package dev.tandem.api.openai;

import dev.tandem.api.openai.ReplyBuilder.Kind;
import java.util.List;

/**
 * What {@code X-Request-Id} may hold, and the ids that are formed from it, as vLLM forms them. Gateway and nodes name leases and pushes by
 * these ids, so both form them here. Pure.
 */
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

    /** The id that a reply shows: {@code cmpl-<id>} or {@code chatcmpl-<id>}. */
    public static String ofReply(Kind kind, String requestId) {
        return switch (kind) {
            case COMPLETION -> "cmpl-" + requestId;
            case CHAT -> "chatcmpl-" + requestId;
        };
    }

    /** The id under which an engine knows the only choice of a prompt: {@code cmpl-<id>-<prompt>} or {@code chatcmpl-<id>}. */
    public static String ofSequence(Kind kind, String requestId, int prompt) {
        return switch (kind) {
            case COMPLETION -> ofReply(kind, requestId) + "-" + prompt;
            case CHAT -> ofReply(kind, requestId);
        };
    }

    /** The id of one of several choices, which are numbered in front. */
    public static String ofSequence(Kind kind, String requestId, int prompt, int choice) {
        return choice + "_" + ofSequence(kind, requestId, prompt);
    }

    /** The ids that the only sequence of a request may have, by the kind of request: a prefill node lends blocks under one of them. */
    public static List<String> ofSingleSequence(String requestId) {
        return List.of(ofSequence(Kind.COMPLETION, requestId, 0), ofSequence(Kind.CHAT, requestId, 0));
    }
}
