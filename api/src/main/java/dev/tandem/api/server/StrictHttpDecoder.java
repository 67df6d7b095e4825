package dev.tandem.api.server;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpMessage;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.impl.VertxHttpRequestDecoder;
import java.util.List;

/**
 * Vert.x's decoder of requests, told to refuse a message with two lengths (RFC 9112, 6.3), where it would quietly believe one of them, and
 * to say when a head begins, so that one that never ends has a deadline, and what is wrong with a body. Owned by the connection's event loop.
 */
final class StrictHttpDecoder extends VertxHttpRequestDecoder {
    private final ClientConnection connection;

    StrictHttpDecoder(HttpServerOptions options, ClientConnection connection) {
        super(options);
        this.connection = connection;
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf bytes, List<Object> out) throws Exception {
        connection.headBegins();
        super.decode(context, bytes, out);
        Object last = out.isEmpty() ? bytes : out.getLast();
        boolean isOfBody = !(last instanceof HttpMessage);
        if (isOfBody
                && last instanceof HttpContent content
                && content.decoderResult().isFailure()) {
            out.removeLast(); // Vert.x would close the connection without an answer
            content.release();
            connection.bodyFailed(content.decoderResult().cause());
        }
    }

    @Override
    protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {
        throw new IllegalArgumentException("Content-Length beside Transfer-Encoding");
    }
}
