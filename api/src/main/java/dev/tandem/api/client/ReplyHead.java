package dev.tandem.api.client;

import io.vertx.core.MultiMap;
import java.util.Map;
import java.util.Optional;

/** Status and headers of a server's answer. Immutable. */
public final class ReplyHead {
    private final int status;
    private final MultiMap headers;

    ReplyHead(int status, MultiMap headers) {
        this.status = status;
        this.headers = headers;
    }

    /** A head that did not come over the network. */
    public static ReplyHead of(int status, Map<String, String> headers) {
        return new ReplyHead(status, MultiMap.caseInsensitiveMultiMap().addAll(headers));
    }

    /** The HTTP status. */
    public int status() {
        return status;
    }

    /** The first value of a header, whatever the case of its name. */
    public Optional<String> header(String name) {
        return Optional.ofNullable(headers.get(name));
    }
}
