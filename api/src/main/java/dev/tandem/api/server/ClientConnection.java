package dev.tandem.api.server;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.util.AttributeKey;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.net.impl.ConnectionBase;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What a server remembers of one connection. Owned by the connection's event loop. */
final class ClientConnection {
    private static final AttributeKey<ClientConnection> KEY = AttributeKey.valueOf("tandem.connection");

    private final Channel channel;
    private final ConnectionTable table;
    private final String host;
    /** Beyond the bound: only questions for status are answered. */
    private final boolean isReserve;

    /** Those that have their body: one, or few where a client sends several requests at once. */
    private final List<HttpLoopExchange> unanswered = new ArrayList<>(1);

    private @Nullable Consumer<Throwable> bodyReader;
    private @Nullable Throwable bodyFault;
    private boolean isClosed;
    private int exchanges;
    private boolean hasServed;
    private boolean isHeadBegun;
    /** Since when it waits for a request, or for the rest of a head. */
    private long sinceNs;

    private long unwrittenBytes;
    private long stuckSinceNs;

    ClientConnection(Channel channel, ConnectionTable table, String host, boolean isReserve, long nowNs) {
        this.channel = channel;
        this.table = table;
        this.host = host;
        this.isReserve = isReserve;
        this.sinceNs = nowNs;
    }

    /** The socket below a connection of Vert.x, which has no other way to see what waits in it. */
    static Channel channelOf(HttpConnection connection) {
        return ((ConnectionBase) connection).channelHandlerContext().channel();
    }

    /** Makes {@link #at} find it. */
    void attach() {
        channel.attr(KEY).set(this);
    }

    static ClientConnection of(HttpConnection connection) {
        return at(channelOf(connection)).orElseThrow();
    }

    /** None before it was counted. */
    static Optional<ClientConnection> at(Channel channel) {
        return Optional.ofNullable(channel.attr(KEY).get());
    }

    /** Whose it is, as {@link dev.tandem.trust.PeerHost} has it. */
    String host() {
        return host;
    }

    /** Requests in flight. */
    int exchanges() {
        return exchanges;
    }

    /** The same of all connections of its host on this event loop. */
    int exchangesOfHost() {
        return table.exchangesOf(host);
    }

    boolean isReserve() {
        return isReserve;
    }

    boolean isIdle() {
        return exchanges == 0;
    }

    /** It has had an answer before: such a one is worth more than one that only connected. */
    boolean hasServed() {
        return hasServed;
    }

    /** Hands are shaken where that is needed. */
    void waitsForRequest() {
        sinceNs = System.nanoTime();
    }

    /** Bytes have come while no request was being read. */
    void headBegins() {
        if (!isHeadBegun && exchanges == 0) {
            isHeadBegun = true;
            sinceNs = System.nanoTime();
        }
    }

    /** A head is complete. */
    void exchangeBegins() {
        isHeadBegun = false;
        exchanges++;
    }

    /** The body of a request that was refused has been read to its end: nothing has begun since. */
    void refusedBodyEnds() {
        isHeadBegun = false;
        sinceNs = System.nanoTime();
    }

    /** An exchange that is to hear of the connection's end. */
    void add(HttpLoopExchange exchange) {
        unanswered.add(exchange);
    }

    /** The answer has been written, or nobody is left to read it. */
    void exchangeEnds(HttpLoopExchange exchange) {
        unanswered.remove(exchange);
        if (exchanges > 0) { // 0 once the connection is gone
            exchanges--;
        }
        hasServed = true;
        isHeadBegun = false;
        sinceNs = System.nanoTime();
    }

    /** Sets who hears when the body that is being read turns out not to be HTTP; at once where it has already. */
    void onBodyFault(Consumer<Throwable> reader) {
        bodyReader = reader;
        if (bodyFault != null) {
            reader.accept(bodyFault);
        }
    }

    /** What comes on this connection can no longer be told apart; nothing more will be read. */
    void bodyFailed(Throwable cause) {
        bodyFault = cause;
        if (bodyReader != null) {
            bodyReader.accept(cause);
        }
    }

    /** The socket is closed, whoever did it. */
    void closed() {
        isClosed = true;
        List.copyOf(unanswered).forEach(HttpLoopExchange::connectionClosed);
        exchanges = 0; // some have no body yet
    }

    boolean isClosed() {
        return isClosed;
    }

    /** Whether it has waited longer for a request than it may. */
    boolean isLate(ConnectionLimits limits, long nowNs) {
        boolean isKept = hasServed && !isHeadBegun;
        long mostNs = (isKept ? limits.keepAlive() : limits.headTimeout()).toNanos();
        return isIdle() && nowNs - sinceNs > mostNs;
    }

    /** Whether a part of a head has come. */
    boolean isHeadBegun() {
        return isHeadBegun;
    }

    /** Whether bytes wait for the client and not one of them has been taken for so long. Called from time to time. */
    boolean isStuck(long mostNs, long nowNs) {
        long left = unwritten(channel.unsafe().outboundBuffer());
        if (left == 0 || left != unwrittenBytes) {
            unwrittenBytes = left;
            stuckSinceNs = nowNs;
            return false;
        }
        return nowNs - stuckSinceNs > mostNs;
    }

    private static long unwritten(@Nullable ChannelOutboundBuffer buffer) {
        return buffer == null ? 0 : buffer.totalPendingWriteBytes() - buffer.currentProgress();
    }

    /** Closes the socket without what was queued for it: its client may never read that. */
    void cut() {
        cut(channel);
    }

    @SuppressWarnings("FutureReturnValueIgnored") // the connection's close handler hears of it
    static void cut(Channel channel) {
        channel.close();
    }

    /** Says a last word that is an answer to no request. */
    @SuppressWarnings("FutureReturnValueIgnored") // as above
    void sendAndCut(String answer) {
        channel.pipeline()
                .context(HttpServer.ENCODER) // what is written behind it would have to be an answer to it
                .writeAndFlush(Unpooled.copiedBuffer(answer, StandardCharsets.UTF_8))
                .addListener(ChannelFutureListener.CLOSE);
    }
}
