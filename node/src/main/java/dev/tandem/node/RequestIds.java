package dev.tandem.node;

import java.util.Optional;
import java.util.UUID;

/** Request ids: the client's {@code X-Request-Id} when it is safe to repeat, else a fresh one. */
final class RequestIds {
    private static final int MAX_LENGTH = 128;

    private RequestIds() {}

    static String of(Optional<String> header) {
        return header.filter(RequestIds::isSafe)
                .orElseGet(() -> UUID.randomUUID().toString().replace("-", ""));
    }

    private static boolean isSafe(String id) {
        return !id.isEmpty()
                && id.length() <= MAX_LENGTH
                && id.chars().allMatch(c -> (Character.isLetterOrDigit(c) && c < 128) || "-_.:".indexOf(c) >= 0);
    }
}
