package dev.tandem.api.server;

import dev.tandem.api.openai.ApiError;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What RFC 9110 and RFC 9112 ask of a request's head and the decoder leaves to us, and what of a body we can read: JSON in UTF-8 as it is. Pure.
 */
final class HeadCheck {
    private HeadCheck() {}

    /** Why a request is refused before anything of its body is read. */
    static Optional<ApiError> refusal(HttpServerRequest request) {
        return hosts(request)
                .or(() -> transferCoding(request))
                .or(() -> expectation(request))
                .or(() -> contentCoding(request))
                .or(() -> charset(request));
    }

    private static Optional<ApiError> hosts(HttpServerRequest request) {
        int hosts = request.headers().getAll("Host").size();
        boolean isNeeded = request.version() == HttpVersion.HTTP_1_1;
        if (hosts > 1 || (isNeeded && hosts == 0)) {
            return Optional.of(ApiError.badRequest("the request has " + hosts + " Host headers; 1 is needed", null));
        }
        return Optional.empty();
    }

    /** Anything but chunked could mean another end of the body to somebody else. */
    private static Optional<ApiError> transferCoding(HttpServerRequest request) {
        List<String> codings = request.headers().getAll("Transfer-Encoding");
        if (codings.isEmpty()) {
            return Optional.empty();
        }
        if (request.version() == HttpVersion.HTTP_1_0) {
            return Optional.of(ApiError.badRequest("Transfer-Encoding is not for HTTP/1.0", null));
        }
        if (codings.size() == 1 && codings.getFirst().strip().equalsIgnoreCase("chunked")) {
            return Optional.empty();
        }
        String message = "Transfer-Encoding " + String.join(", ", codings) + " is not known; send chunked";
        return Optional.of(new ApiError(501, "NotImplementedError", message, null, -1));
    }

    private static Optional<ApiError> expectation(HttpServerRequest request) {
        String expected = request.getHeader("Expect");
        if (expected == null || expected.strip().equalsIgnoreCase("100-continue")) {
            return Optional.empty();
        }
        String message = "Expect " + expected + " cannot be met; only 100-continue can";
        return Optional.of(new ApiError(417, "ExpectationFailedError", message, null, -1));
    }

    private static Optional<ApiError> contentCoding(HttpServerRequest request) {
        for (String coding : request.headers().getAll("Content-Encoding")) {
            if (!coding.isBlank() && !coding.strip().equalsIgnoreCase("identity")) {
                return unsupported("Content-Encoding " + coding + " is not read; send the body as it is");
            }
        }
        return Optional.empty();
    }

    private static Optional<ApiError> charset(HttpServerRequest request) {
        String type = request.getHeader("Content-Type");
        int at = type == null ? -1 : type.toLowerCase(Locale.ROOT).indexOf("charset=");
        if (type == null || at < 0) {
            return Optional.empty();
        }
        String charset = type.substring(at + "charset=".length())
                .split(";", 2)[0]
                .replace('"', ' ')
                .strip();
        return charset.equalsIgnoreCase("utf-8") || charset.equalsIgnoreCase("utf8")
                ? Optional.empty()
                : unsupported("Content-Type with charset " + charset + " is not read; JSON is UTF-8");
    }

    private static Optional<ApiError> unsupported(String message) {
        return Optional.of(new ApiError(415, "UnsupportedMediaTypeError", message, null, -1));
    }
}
