package dev.tandem.api.client;

import dev.tandem.api.ApiException;

/**
 * Hears how an {@link Upstream} goes on, on the event loop that started it: a head, chunks and the end; or a failure at any point, as
 * the last call. After {@link Upstream#cancel} nothing more is heard.
 */
public interface ReplyListener {
    /** Status and headers have come. */
    void head(ReplyHead head);

    /** A part of the body has come, cut wherever the network cut it. */
    void chunk(byte[] bytes);

    /** The body is complete. */
    void end();

    /** The exchange has failed; {@link ApiException.Kind#CONNECT} means that nothing of the request was ever sent. */
    void failed(ApiException failure);
}
