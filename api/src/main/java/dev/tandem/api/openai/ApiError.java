package dev.tandem.api.openai;

import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A refusal that the caller may read: an HTTP status and the error object that OpenAI's clients and vLLM's agree on,
 * {@code {"error": {"message", "type", "param", "code"}}}. Thrown by a handler it becomes the response, or an error event when the
 * stream has begun. As in vLLM the code is the status and the param names the field of the request, or is null. Immutable; carries no
 * stack trace, since a caller's mistake has no place in our code.
 */
public final class ApiError extends RuntimeException {
    private final int status;
    private final String type;
    private final @Nullable String param;
    private final int code;
    private final int retryAfterSeconds;

    /** An error with all its parts; {@code retryAfterSeconds} below 0 means that the header is not sent. */
    public ApiError(int status, String type, String message, @Nullable String param, int retryAfterSeconds) {
        super(message, null, false, false);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = status;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    /** 400: the request cannot be served as it is; {@code param} is the field to change. */
    public static ApiError badRequest(String message, @Nullable String param) {
        return new ApiError(400, "BadRequestError", message, param, -1);
    }

    /** 404: no such path or no such model. */
    public static ApiError notFound(String message, @Nullable String param) {
        return new ApiError(404, "NotFoundError", message, param, -1);
    }

    /** 429: this caller, or everybody, asks for more than is admitted now. */
    public static ApiError tooManyRequests(String message, int retryAfterSeconds) {
        return new ApiError(429, "RateLimitError", message, null, retryAfterSeconds);
    }

    /** 500: our bug; the message must not show internals. */
    public static ApiError internal(String message) {
        return new ApiError(500, "InternalServerError", message, null, -1);
    }

    /** 502: a node that was asked gave no usable answer. */
    public static ApiError badGateway(String message) {
        return new ApiError(502, "BadGatewayError", message, null, -1);
    }

    /** 503: overloaded, starting or without nodes; worth another try after {@code retryAfterSeconds}. */
    public static ApiError unavailable(String message, int retryAfterSeconds) {
        return new ApiError(503, "ServiceUnavailableError", message, null, retryAfterSeconds);
    }

    /** The HTTP status. */
    public int status() {
        return status;
    }

    /** The error's type, such as {@code BadRequestError}. */
    public String type() {
        return type;
    }

    /** What to tell the caller. */
    public String message() {
        return String.valueOf(getMessage());
    }

    /** The field of the request that is at fault, or null. */
    public @Nullable String param() {
        return param;
    }

    /** The code of the error object: the status, as in vLLM. */
    public int code() {
        return code;
    }

    /** Seconds for the {@code Retry-After} header, if it is to be sent. */
    public OptionalInt retryAfterSeconds() {
        return retryAfterSeconds < 0 ? OptionalInt.empty() : OptionalInt.of(retryAfterSeconds);
    }

    /** The body of the response. */
    public ObjectNode toJson() {
        ObjectNode root = JsonNodeFactory.instance.objectNode();
        root.putObject("error")
                .put("message", message())
                .put("type", type)
                .put("param", param)
                .put("code", code);
        return root;
    }
}
