package dev.tandem.api;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.vertx.core.impl.transports.NioTransport;
import io.vertx.core.transport.Transport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A listening socket that accepts no faster than its connections are taken on: a flood of them would use up all descriptors before anybody
 * counts them, and without descriptors threads die that load a class or open a file. It also pauses, and goes on, when there are none left.
 * Owned by the acceptor's event loop.
 */
final class GatedServerChannel extends NioServerSocketChannel {
    private static final Logger LOG = LoggerFactory.getLogger(GatedServerChannel.class);
    /** Connections that were accepted and not taken on yet. */
    private static final int MOST_ARRIVING = 16;
    /** How long one may take to arrive before it gives way, as one that does not go on with its TLS handshake. */
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(1);

    private static final long PAUSE_MS = 20;
    private static final long NO_DESCRIPTORS_PAUSE_MS = 500;
    private static final long WARNING_PAUSE_NS = TimeUnit.MINUTES.toNanos(1);

    /** Since when each is arriving, the oldest first. */
    private final LinkedHashMap<Channel, Long> arriving = new LinkedHashMap<>();

    private long lastWarningNs = System.nanoTime() - WARNING_PAUSE_NS;

    /** Vert.x's NIO, with such sockets, all of which it knows. */
    static final class Gated implements Transport {
        /** Those that listen, or are about to. Event loops add and remove, any thread reads. */
        private final Set<GatedServerChannel> listening = ConcurrentHashMap.newKeySet();

        /** Closes the sockets that listen at this address; the connections that they have accepted stay. Waits for it. */
        void stopListening(InetSocketAddress address) {
            for (GatedServerChannel listener : listening) {
                if (isSame(listener.localAddress(), address)) {
                    listener.close().awaitUninterruptibly();
                }
            }
        }

        /** Any address is that of IPv6 where the machine has it. */
        private static boolean isSame(@Nullable InetSocketAddress bound, InetSocketAddress asked) {
            if (bound == null || bound.getPort() != asked.getPort()) {
                return false;
            }
            InetAddress host = bound.getAddress();
            return asked.getAddress().isAnyLocalAddress() ? host.isAnyLocalAddress() : host.equals(asked.getAddress());
        }

        private GatedServerChannel open() {
            var listener = new GatedServerChannel();
            listening.add(listener);
            var unused = listener.closeFuture().addListener(closed -> listening.remove(listener));
            return listener;
        }

        @Override
        public String name() {
            return "nio";
        }

        @Override
        public boolean available() {
            return true;
        }

        @Override
        public @Nullable Throwable unavailabilityCause() {
            return null;
        }

        @Override
        public io.vertx.core.spi.transport.Transport implementation() {
            return new NioTransport() {
                @Override
                public ChannelFactory<? extends ServerChannel> serverChannelFactory(boolean isLocal) {
                    return isLocal ? super.serverChannelFactory(true) : Gated.this::open;
                }
            };
        }
    }

    @Override
    protected int doReadMessages(List<Object> accepted) throws Exception {
        if (arriving.size() >= MOST_ARRIVING && !dropOldest()) {
            pause(PAUSE_MS);
            return 0;
        }
        try {
            int count = super.doReadMessages(accepted);
            if (count > 0) {
                Channel connection = (Channel) accepted.getLast();
                arriving.put(connection, System.nanoTime());
                var unused = connection.closeFuture().addListener(closed -> arrived(connection));
            }
            return count;
        } catch (IOException e) {
            warn(e);
            pause(NO_DESCRIPTORS_PAUSE_MS);
            return 0;
        }
    }

    /** A connection counts from now on where its server counts; any thread. */
    void arrived(Channel connection) {
        try {
            eventLoop().execute(() -> {
                arriving.remove(connection);
                config().setAutoRead(true);
            });
        } catch (RejectedExecutionException e) { // the loops have ended, and nobody listens any more
            LOG.debug("a connection outlived its listener: {}", connection);
        }
    }

    private boolean dropOldest() {
        Map.Entry<Channel, Long> oldest = arriving.firstEntry();
        if (System.nanoTime() - oldest.getValue() < PATIENCE_NS) {
            return false;
        }
        arriving.remove(oldest.getKey());
        var unused = oldest.getKey().close();
        return true;
    }

    private void pause(long millis) {
        config().setAutoRead(false);
        var unused = eventLoop().schedule(() -> config().setAutoRead(true), millis, TimeUnit.MILLISECONDS);
    }

    private void warn(IOException cause) {
        long nowNs = System.nanoTime();
        if (nowNs - lastWarningNs >= WARNING_PAUSE_NS) {
            lastWarningNs = nowNs;
            LOG.warn(
                    "connections cannot be accepted for the moment: address={} cause={}",
                    localAddress(),
                    cause.getMessage());
        }
    }
}
