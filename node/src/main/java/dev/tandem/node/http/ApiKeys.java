package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.Handler;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;

/** Guards paths under {@code /v1} with bearer keys, as vLLM's {@code --api-key} does. Immutable. */
final class ApiKeys {
    private final List<byte[]> keys;

    ApiKeys(List<String> keys) {
        this.keys =
                keys.stream().map(key -> key.getBytes(StandardCharsets.UTF_8)).toList();
    }

    /** The route, guarded by the keys where there are any and its path begins with {@code /v1}. */
    BlockingRoute guard(BlockingRoute route) {
        if (keys.isEmpty() || !route.path().startsWith("/v1")) {
            return route;
        }
        Handler guarded = exchange -> {
            String header = exchange.header("authorization").orElse("");
            if (!header.startsWith("Bearer ") || !isKnown(header.substring("Bearer ".length()))) {
                throw new ApiError(
                        401, "AuthenticationError", "the Authorization header has no known API key", null, -1);
            }
            route.handler().handle(exchange);
        };
        return route.withHandler(guarded);
    }

    /** Compares with every key in constant time, so that the time taken tells nothing. */
    private boolean isKnown(String sent) {
        byte[] bytes = sent.getBytes(StandardCharsets.UTF_8);
        boolean isKnown = false;
        for (byte[] key : keys) {
            isKnown |= MessageDigest.isEqual(key, bytes);
        }
        return isKnown;
    }
}
