package dev.tandem.api.client;

import dev.tandem.api.HttpAddress;
import java.util.LinkedHashMap;
import java.util.Map;

/** A request to be sent. Immutable; the arrays and maps given to it are not copied and must not change. */
public final class HttpCall {
    private final String method;
    private final HttpAddress address;
    private final String path;
    private final Map<String, String> headers;
    private final byte[] body;

    /**
     * A request with all its parts: the path includes the query and begins with a slash; {@code Host} and {@code Content-Length} are
     * made from the rest.
     */
    public HttpCall(String method, HttpAddress address, String path, Map<String, String> headers, byte[] body) {
        this.method = method;
        this.address = address;
        this.path = path;
        this.headers = headers;
        this.body = body;
    }

    /** A GET without headers. */
    public static HttpCall get(HttpAddress address, String path) {
        return new HttpCall("GET", address, path, Map.of(), new byte[0]);
    }

    /** A POST of JSON. */
    public static HttpCall postJson(HttpAddress address, String path, byte[] json) {
        return new HttpCall("POST", address, path, Map.of("Content-Type", "application/json"), json);
    }

    /** The same call with one header more. */
    public HttpCall withHeader(String name, String value) {
        Map<String, String> more = new LinkedHashMap<>(headers);
        more.put(name, value);
        return new HttpCall(method, address, path, more, body);
    }

    /** The method, in capitals. */
    public String method() {
        return method;
    }

    /** The server. */
    public HttpAddress address() {
        return address;
    }

    /** The path with its query. */
    public String path() {
        return path;
    }

    /** The headers that were given. */
    public Map<String, String> headers() {
        return headers;
    }

    /** The body; may be empty. */
    public byte[] body() {
        return body;
    }
}
