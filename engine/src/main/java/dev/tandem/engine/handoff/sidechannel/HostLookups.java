package dev.tandem.engine.handoff.sidechannel;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;

/**
 * Finds addresses of endpoints. Addresses are read at once; the name of a host, which a client may have chosen, is looked up by a thread of
 * its own, because that may take as long as somebody else's name server wants. Called and answered on the poller thread.
 */
public final class HostLookups {
    private static final String SCHEME = "tcp://";
    private static final int MAX_PORT = 65_535;

    private final Executor poller;
    private final int most;
    private final Semaphore free; // taken by the poller, given back by the lookups' threads

    /**
     * @param poller runs what it is given on the poller thread
     * @param most lookups at a time; one more fails
     */
    public HostLookups(Executor poller, int most) {
        this.poller = poller;
        this.most = most;
        this.free = new Semaphore(most);
    }

    /**
     * Exactly one of the callbacks is called, at once or later.
     *
     * @param endpoint {@code tcp://host:port}, an address of version 6 in brackets
     * @throws IllegalArgumentException when it is not such a text
     */
    void find(String endpoint, Consumer<InetSocketAddress> onFound, Consumer<UnknownHostException> onFailure) {
        int colon = endpoint.lastIndexOf(':');
        if (!endpoint.startsWith(SCHEME) || colon < SCHEME.length()) {
            throw new IllegalArgumentException("not " + SCHEME + "host:port");
        }
        int port = port(endpoint.substring(colon + 1));
        String bracketed = endpoint.substring(SCHEME.length(), colon);
        String host = bracketed.startsWith("[") && bracketed.endsWith("]")
                ? bracketed.substring(1, bracketed.length() - 1)
                : bracketed;
        InetAddress address;
        try {
            address = InetAddress.ofLiteral(host);
        } catch (IllegalArgumentException name) {
            lookUp(host, port, onFound, onFailure);
            return;
        }
        onFound.accept(new InetSocketAddress(address, port));
    }

    private static int port(String text) {
        try {
            int port = Integer.parseInt(text);
            if (port > 0 && port <= MAX_PORT) {
                return port;
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("not a port: " + text, e);
        }
        throw new IllegalArgumentException("not a port: " + text);
    }

    private void lookUp(
            String host, int port, Consumer<InetSocketAddress> onFound, Consumer<UnknownHostException> onFailure) {
        if (!free.tryAcquire()) {
            onFailure.accept(new UnknownHostException(most + " other names of hosts are being looked up"));
            return;
        }
        try {
            Thread.ofPlatform().name("side-channel-lookup").daemon().start(() -> {
                try {
                    var found = new InetSocketAddress(InetAddress.getByName(host), port);
                    poller.execute(() -> onFound.accept(found));
                } catch (UnknownHostException e) {
                    poller.execute(() -> onFailure.accept(e));
                } finally {
                    free.release();
                }
            });
        } catch (OutOfMemoryError noThread) {
            free.release();
            onFailure.accept(new UnknownHostException("no thread looks up " + host + ": " + noThread));
        }
    }
}
