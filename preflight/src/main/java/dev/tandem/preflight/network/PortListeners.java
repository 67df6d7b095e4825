package dev.tandem.preflight.network;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Listens on the ports that a deployment will use, for as long as a check runs, and tells whoever connects a token, so that a caller knows
 * that it has reached this process and not something between. One thread owns all listeners and accepted connections, of which each lives
 * for one write.
 */
public final class PortListeners implements Closeable {
    /** Bytes of the token. */
    static final int TOKEN_BYTES = Long.BYTES;

    private static final int BACKLOG = 16;

    private final Selector selector;
    private final List<ServerSocketChannel> channels = new ArrayList<>();
    private final List<Integer> open = new ArrayList<>();
    private final SortedMap<Integer, String> taken = new TreeMap<>();
    private final long token;

    private PortListeners(Selector selector, long token) {
        this.selector = selector;
        this.token = token;
    }

    /**
     * Binds what can be bound.
     *
     * @param token what callers are told
     */
    public static PortListeners open(InetAddress address, List<Integer> ports, long token) {
        try {
            var listeners = new PortListeners(Selector.open(), token);
            ports.stream().distinct().forEach(port -> listeners.bind(new InetSocketAddress(address, port)));
            Thread.ofPlatform().daemon().name("check-ports").start(listeners::serve);
            return listeners;
        } catch (IOException e) {
            throw new UncheckedIOException("the ports of " + address + " cannot be tried: " + e.getMessage(), e);
        }
    }

    private void bind(InetSocketAddress address) {
        try {
            ServerSocketChannel channel = ServerSocketChannel.open();
            channels.add(channel);
            channel.bind(address, BACKLOG);
            channel.configureBlocking(false);
            channel.register(selector, SelectionKey.OP_ACCEPT);
            open.add(address.getPort());
        } catch (IOException e) {
            taken.put(address.getPort(), String.valueOf(e.getMessage()));
        }
    }

    /** Ports that are free and answered now, as they were given. */
    public List<Integer> open() {
        return List.copyOf(open);
    }

    /** Ports that could not be bound, and why. */
    public SortedMap<Integer, String> taken() {
        return new TreeMap<>(taken);
    }

    private void serve() {
        try {
            while (selector.isOpen()) {
                selector.select(this::answer);
            }
        } catch (ClosedSelectorException e) {
            return; // the check is over
        } catch (IOException e) {
            close(); // callers get no token: they report these ports as unreachable
        }
    }

    /** Eight bytes go into an empty send buffer at once. */
    private void answer(SelectionKey key) {
        if (!key.isValid() || !(key.channel() instanceof ServerSocketChannel server)) {
            return;
        }
        try (SocketChannel caller = server.accept()) {
            if (caller != null) {
                caller.write(ByteBuffer.allocate(TOKEN_BYTES).putLong(token).flip());
            }
        } catch (IOException e) {
            key.isValid(); // the caller has gone; the next one is served
        }
    }

    @Override
    public void close() {
        channels.forEach(PortListeners::closeQuietly);
        closeQuietly(selector);
    }

    private static void closeQuietly(Closeable closeable) {
        try {
            closeable.close();
        } catch (IOException e) {
            throw new UncheckedIOException("a port of the check did not close", e);
        }
    }
}
