package dev.tandem.api.client;

import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** A complete answer. */
public final class HttpReply {
    private final ReplyHead head;
    private final byte[] body;

    /** An answer; the array is not copied and must not change. */
    public HttpReply(ReplyHead head, byte[] body) {
        this.head = head;
        this.body = body;
    }

    /** The HTTP status. */
    public int status() {
        return head.status();
    }

    /** The first value of a header, whatever the case of its name. */
    public Optional<String> header(String name) {
        return head.header(name);
    }

    /** The body. */
    public byte[] body() {
        return body;
    }

    /** The body as UTF-8 text. */
    public String text() {
        return new String(body, StandardCharsets.UTF_8);
    }
}
