package dev.tandem.api.client;

import io.vertx.core.MultiMap;
import java.util.Optional;

/** Status and headers of a server's answer. Immutable. */
public final class ReplyHead {
    private final int status;
    private final MultiMap headers;

    /** A head; the headers are not copied and must not change. */
    public ReplyHead(int status, MultiMap headers) {
        this.status = status;
        this.headers = headers;
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
