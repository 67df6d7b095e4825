package dev.tandem.api;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ports that somebody named, taken at the start of a process and held until their listeners are up. While one is held, neither a socket
 * that asks for any free port nor an outgoing connection is given it. It is bound and not listened on: a client that comes early is
 * refused, as if nobody were there, and a listener with SO_REUSEADDR, which every listener of ours sets, can be bound beside it. That is
 * how Linux treats sockets that do not listen. Used by one thread.
 */
public final class ReservedPorts implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ReservedPorts.class);

    private final Deque<SocketChannel> held = new ArrayDeque<>();

    /**
     * Takes a port and holds it until {@link #close}.
     *
     * @param host a name or a literal; exactly this address is bound
     * @param port 0 asks for any port: there is nothing to hold then
     * @throws ApiException ADDRESS_IN_USE when another process listens on it, ADDRESS_REFUSED when it cannot be bound; both name it
     */
    public void add(String host, int port) {
        if (port == 0) {
            return;
        }
        try {
            InetAddress address = InetAddress.getByName(host);
            SocketChannel channel = SocketChannel.open();
            held.push(channel);
            channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            channel.bind(new InetSocketAddress(address, port));
        } catch (IOException e) {
            throw ApiException.cannotListen(host, port, e);
        }
    }

    /** Lets go of all of them; what listens meanwhile is not touched. */
    @Override
    public void close() {
        while (!held.isEmpty()) {
            try {
                held.pop().close();
            } catch (IOException e) {
                LOG.warn("a reserved port could not be let go: {}", e.toString());
            }
        }
    }
}
