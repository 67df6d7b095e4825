package dev.tandem.api;

import dev.tandem.trust.LogPause;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ServerChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.vertx.core.impl.transports.NioTransport;
import io.vertx.core.transport.Transport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A listening socket that accepts no faster than event loops take its connections on: a flood of them would use up all descriptors before
 * anybody counts them, and without descriptors threads die that load a class or open a file. Whoever has an event loop is counted by its
 * server, before it has said anything. The socket also pauses, and goes on, when there are no descriptors left. Owned by the acceptor's event
 * loop.
 */
final class GatedServerChannel extends NioServerSocketChannel {
    private static final Logger LOG = LoggerFactory.getLogger(GatedServerChannel.class);
    /** Connections that were accepted and have no event loop yet. */
    private static final int MOST_ARRIVING = 16;
    /** How long an event loop may leave one waiting before it gives way: other loops still run. */
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(1);

    private static final long PAUSE_MS = 20;
    private static final long NO_DESCRIPTORS_PAUSE_MS = 500;

    /** Since when each is arriving, the oldest first. */
    private final LinkedHashMap<Channel, Long> arriving = new LinkedHashMap<>();

    private final LogPause warnings = new LogPause(Duration.ofMinutes(1));

    /** Who counts the connections of each listening address; read on event loops. */
    private final Map<InetSocketAddress, Consumer<Channel>> servers;

    private GatedServerChannel(Map<InetSocketAddress, Consumer<Channel>> servers) {
        this.servers = servers;
    }

    /** Vert.x's NIO, with such sockets, all of which it knows. */
    static final class Gated implements Transport {
        private final Map<InetSocketAddress, Consumer<Channel>> servers = new ConcurrentHashMap<>();

        /** Those that listen, or are about to. Event loops add and remove, any thread reads. */
        private final Set<GatedServerChannel> listening = ConcurrentHashMap.newKeySet();

        /** The connections of this listener go to its server as soon as they have an event loop, on it. */
        void serve(InetSocketAddress listener, Consumer<Channel> server) {
            servers.put(key(listener), server);
        }

        /** Closes the sockets that listen there; the connections that they have accepted stay. Waits for it. */
        void endServing(InetSocketAddress listener) {
            for (GatedServerChannel socket : listening) {
                InetSocketAddress bound = socket.localAddress();
                if (bound != null && key(bound).equals(key(listener))) {
                    socket.close().awaitUninterruptibly();
                }
            }
            servers.remove(key(listener));
        }

        private GatedServerChannel open() {
            var socket = new GatedServerChannel(servers);
            listening.add(socket);
            var unused = socket.closeFuture().addListener(closed -> listening.remove(socket));
            return socket;
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
                connection.pipeline().addLast(new Arrival());
                var unused = connection.closeFuture().addListener(closed -> arrived(connection));
            }
            return count;
        } catch (IOException e) {
            warnings.due()
                    .ifPresent(more -> LOG.warn(
                            "connections cannot be accepted for the moment: address={} cause={}{}",
                            localAddress(),
                            e.getMessage(),
                            more));
            pause(NO_DESCRIPTORS_PAUSE_MS);
            return 0;
        }
    }

    /** Runs on the connection's event loop. */
    private final class Arrival extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRegistered(ChannelHandlerContext context) {
            Channel connection = context.channel();
            arrived(connection);
            context.pipeline().remove(this);
            Consumer<Channel> server = servers.get(key(localAddress()));
            if (server != null) { // it has just begun to listen otherwise, and counts this one behind its handshake
                server.accept(connection);
            }
            context.fireChannelRegistered();
        }
    }

    private static InetSocketAddress key(InetSocketAddress listener) {
        return listener.getAddress().isAnyLocalAddress() ? new InetSocketAddress(listener.getPort()) : listener;
    }

    /** A connection counts from now on where its server counts; any thread. */
    private void arrived(Channel connection) {
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
}
