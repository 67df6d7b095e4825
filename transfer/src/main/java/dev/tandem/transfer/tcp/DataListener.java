package dev.tandem.transfer.tcp;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The listening data port: bound once, kept for the life of the engine. Accepts on the poller. */
public final class DataListener implements Poller.ReadinessHandler, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DataListener.class);
    private static final int BACKLOG = 512;
    private static final int ACCEPTS_PER_TURN = 32;

    // Out of descriptors, most likely: asking again at once would spin.
    private static final long PAUSE_NS = 100_000_000;

    private final ServerSocketChannel listening;
    private final Consumer<SocketChannel> taker;
    private @Nullable Poller poller;
    private @Nullable SelectionKey key;
    private long resumeNs = Long.MAX_VALUE;
    private boolean isShort; // the last try to accept failed: one line per shortage, however long it lasts

    private DataListener(ServerSocketChannel listening, Consumer<SocketChannel> taker) {
        this.listening = listening;
        this.taker = taker;
    }

    /**
     * Binds now, accepts after {@link #watch}.
     *
     * @param address never a wildcard; port 0 for any
     * @param taker is given each new connection, prepared, on the poller's thread
     */
    public static DataListener bind(InetSocketAddress address, Consumer<SocketChannel> taker) throws IOException {
        ServerSocketChannel listening = ServerSocketChannel.open();
        try {
            listening.bind(address, BACKLOG);
        } catch (IOException e) {
            listening.close();
            throw new IOException("cannot listen at " + address + ": " + e.getMessage(), e);
        }
        return new DataListener(listening, taker);
    }

    public int port() {
        return listening.socket().getLocalPort();
    }

    /** Starts accepting. Poller's thread only. */
    public void watch(Poller owner) throws IOException {
        poller = owner;
        key = owner.watch(listening, SelectionKey.OP_ACCEPT, this);
    }

    /** Accepts again after a pause; gives its end, or {@link Long#MAX_VALUE}. Poller's thread only. */
    public long sweep(long nowNs) {
        if (key != null && key.isValid() && resumeNs != Long.MAX_VALUE && nowNs - resumeNs >= 0) {
            resumeNs = Long.MAX_VALUE;
            key.interestOps(SelectionKey.OP_ACCEPT);
        }
        return resumeNs;
    }

    @Override
    public void ready(SelectionKey readyKey) throws IOException {
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
            SocketChannel accepted = listening.accept();
            if (accepted == null) {
                return;
            }
            isShort = false;
            take(accepted);
        }
    }

    /** A connection that is gone again is nobody's fault here. */
    private void take(SocketChannel accepted) throws IOException {
        try {
            DataSocket.prepare(accepted);
        } catch (IOException e) {
            LOG.debug("data port={} lost a connection at once: {}", port(), e.toString());
            accepted.close();
            return;
        }
        taker.accept(accepted);
    }

    /** One connection that could not be accepted does not end the port. */
    @Override
    public void failed(Exception cause) {
        if (!isShort) {
            LOG.warn("data port={} could not accept, goes on trying: {}", port(), cause.toString());
        }
        isShort = true;
        if (key != null && key.isValid() && poller != null) {
            key.interestOps(0);
            resumeNs = System.nanoTime() + PAUSE_NS;
            poller.sweepBy(resumeNs);
        }
    }

    @Override
    public void close() throws IOException {
        listening.close();
    }
}
