package dev.tandem.node.http;

import dev.tandem.api.openai.RequestId;
import java.util.Optional;
import java.util.UUID;

/** Request ids: the client's {@code X-Request-Id} when it is safe to repeat, else a fresh one. */
final class RequestIds {
    private RequestIds() {}

    static String of(Optional<String> header) {
        return header.filter(RequestId::isSafe)
                .orElseGet(() -> UUID.randomUUID().toString().replace("-", ""));
    }
}
