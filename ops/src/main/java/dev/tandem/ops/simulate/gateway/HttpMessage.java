package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.client.HttpCall;
import java.util.Map;

/** What goes over a simulated connection that speaks HTTP. */
sealed interface HttpMessage {
    /** A whole request. */
    record Request(HttpCall call) implements HttpMessage {}

    /** Status and headers of an answer. */
    record Head(int status, Map<String, String> headers) implements HttpMessage {}

    /** A part of its body, cut anywhere. */
    final class Piece implements HttpMessage {
        private final byte[] bytes;

        Piece(byte[] bytes) {
            this.bytes = bytes;
        }

        byte[] bytes() {
            return bytes;
        }
    }

    /** The body is complete. */
    record End(Map<String, String> trailers) implements HttpMessage {}

    /** The reader of the answer has taken so many bytes of it. */
    record Taken(int bytes) implements HttpMessage {}
}
