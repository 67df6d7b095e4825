package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.engine.request.EngineException;

/** The one place that maps the engine's kinds of failure to HTTP. Pure. */
public final class EngineErrors {
    private EngineErrors() {}

    public static ApiError toApi(EngineException failure) {
        String message = String.valueOf(failure.getMessage());
        return switch (failure.kind()) {
            case INVALID -> ApiError.badRequest(message, null);
            case TOO_LONG -> ApiError.badRequest(message, "prompt");
            case OVERLOADED -> ApiError.tooManyRequests(message, 1);
            case UNAVAILABLE -> ApiError.unavailable(message, 1);
            case KV_LOST -> ApiError.badGateway(message);
            case TIMED_OUT -> new ApiError(504, "GatewayTimeoutError", message, null, -1);
            case CANCELLED -> new ApiError(499, "ClientClosedRequestError", message, null, -1);
            case INTERNAL -> ApiError.internal(message);
        };
    }
}
