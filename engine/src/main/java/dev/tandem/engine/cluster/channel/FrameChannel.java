package dev.tandem.engine.cluster.channel;

import dev.tandem.trust.LogPause;
import dev.tandem.trust.PeerHost;
import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One persistent TCP connection to another process of the deployment. Frames go out in the order in which they were queued:
 *
 * <pre>
 *    any thread --offer/send--> queue (bounded) --writer thread--> socket     frame = header (12 bytes) + body, see {@link FrameHeader}
 *    handler &lt;--reader thread--------------------------------------- socket
 * </pre>
 *
 * <p>Both sides say every quarter of the allowed silence that they live. The connection ends when either side closes it, when the peer is
 * silent, takes nothing of what is written, or sends what is not a frame that may come now. Whatever ends it, the handler hears of it once,
 * with the first cause. Thread-safe.
 */
public final class FrameChannel implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FrameChannel.class);
    private static final long STACK_BYTES = 256 << 10;
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(5);

    /** Between two lines about peers of one port that were not let in. */
    static final Duration REFUSALS_PAUSE = Duration.ofSeconds(1);

    /** What is done with what comes. Called by the reader thread only. */
    public interface FrameHandler {
        /**
         * A frame came.
         *
         * @param body little-endian, from position to limit; valid during the call only
         * @throws FrameException when it may not come now or is malformed; the connection ends with it
         */
        void received(FrameKind kind, ByteBuffer body) throws FrameException;

        /** The connection has ended; nothing more comes. */
        void closed(String cause);
    }

    private final Socket socket;
    private final String peer;
    private final boolean isOfThisMachine;
    private final ChannelLimits limits;
    private final LogPause refusals;
    private final FrameQueue queue;
    private final AtomicReference<@Nullable String> end = new AtomicReference<>(); // whoever ends it first says why
    private final FrameReader reader;
    private final FrameWriter writer;
    private final Thread readerThread;
    private final Thread writerThread;
    private volatile boolean isTrusted; // set by the handler, read by the reader thread and the listener
    private volatile boolean isFinishing; // set by any thread, read by the reader thread
    private @Nullable FrameHandler handler; // set before the threads start

    private FrameChannel(Socket socket, ChannelLimits limits, LogPause refusals) {
        this.socket = socket;
        this.peer = String.valueOf(socket.getRemoteSocketAddress()).replace("/", "");
        this.isOfThisMachine =
                socket.getInetAddress() != null && socket.getInetAddress().isLoopbackAddress();
        this.limits = limits;
        this.refusals = refusals;
        this.queue = new FrameQueue(limits);
        this.writer = new FrameWriter(socket, queue, limits);
        this.reader = new FrameReader(socket, limits, writer);
        this.readerThread = thread("tandem-cluster-read-" + peer, this::read);
        this.writerThread = thread("tandem-cluster-write-" + peer, this::write);
    }

    /**
     * Runs a connection over a connected socket, which it owns from now on. When it throws, the handler hears nothing.
     *
     * @param refusals how often it is said that a peer of this port is not let in
     * @param handler made for the channel before anything is read
     * @throws IOException when the socket is gone already
     */
    static FrameChannel open(
            Socket socket, ChannelLimits limits, LogPause refusals, Function<FrameChannel, FrameHandler> handler)
            throws IOException {
        var channel = new FrameChannel(socket, limits, refusals);
        try {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(
                    (int) Math.max(1, Duration.ofNanos(limits.heartbeatNs()).toMillis()));
            channel.handler = handler.apply(channel);
            channel.writerThread.start();
            channel.readerThread.start();
            return channel;
        } catch (IOException | RuntimeException | Error failure) {
            channel.close("it could not be started"); // also ends a writer thread whose reader could not start
            throw failure;
        }
    }

    /**
     * Connects to a listening process.
     *
     * @param timeout for the connection to stand
     * @throws IOException when nobody answers there in time
     */
    public static FrameChannel connect(
            InetSocketAddress address,
            Duration timeout,
            ChannelLimits limits,
            Function<FrameChannel, FrameHandler> handler)
            throws IOException {
        var socket = new Socket();
        try {
            if (address.isUnresolved()) {
                throw new IOException("host name " + address.getHostString() + " is not known");
            }
            socket.connect(address, Math.toIntExact(timeout.toMillis()));
            if (socket.getLocalSocketAddress().equals(socket.getRemoteSocketAddress())) {
                throw new IOException(
                        "connected to itself"); // TCP may, when an ephemeral port is tried while nobody listens
            }
        } catch (IOException | RuntimeException failure) {
            socket.close();
            throw failure;
        }
        return open(socket, limits, new LogPause(REFUSALS_PAUSE), handler);
    }

    /** As people write an address: {@code 127.0.1.1:13389}. */
    public static String describe(InetSocketAddress address) {
        return address.getHostString() + ":" + address.getPort();
    }

    /** Address and port of the other side, for messages. */
    public String peer() {
        return peer;
    }

    /** Whether the peer has a loopback address. */
    public boolean isOfThisMachine() {
        return isOfThisMachine;
    }

    /** Its host, as {@link PeerHost} has it. */
    String host() {
        return PeerHost.of(socket.getInetAddress());
    }

    boolean isTrusted() {
        return isTrusted;
    }

    /** The peer has proved who it is: longer frames are taken from now on. */
    public void trust() {
        isTrusted = true;
    }

    /** Logs why the peer is not let in, unless that was said of another one of the same port just now. */
    public void tellRefusal(String why) {
        refusals.due().ifPresent(more -> LOG.warn("cluster peer={} is refused: {}{}", peer, why, more));
    }

    /** Queues a frame if there is room, and never waits. False when there is none or the connection has ended. */
    public boolean offer(FrameKind kind, byte[] body) {
        return queue.offer(new Outgoing(kind, body, body.length, Outgoing.NOTHING));
    }

    /**
     * As {@link #offer(FrameKind, byte[])}, for a buffer that is used again.
     *
     * @param bytes length of the body at the buffer's start
     * @param released called once if the result is true, when the buffer is the caller's again; any thread, must not wait
     */
    public boolean offer(FrameKind kind, byte[] buffer, int bytes, Runnable released) {
        return queue.offer(new Outgoing(kind, buffer, bytes, released));
    }

    /** Queues a frame as soon as there is room; false when the connection has ended. A peer that takes nothing ends it. */
    public boolean send(FrameKind kind, byte[] body) {
        return queue.put(new Outgoing(kind, body, body.length, Outgoing.NOTHING));
    }

    /** Lets what is queued be written, reads nothing any more and ends when the peer does, or after the allowed silence. */
    public void finish(String cause) {
        if (end.compareAndSet(null, cause)) {
            isFinishing = true;
            queue.finish();
        }
    }

    /** Ends the connection at once; later calls do nothing. */
    public void close(String cause) {
        end.compareAndSet(null, cause);
        queue.drop();
        try {
            socket.close();
        } catch (IOException e) {
            LOG.debug("peer={} did not close: {}", peer, e.toString());
        }
    }

    /** As {@link #close(String)}, and waits for both threads, unless called by one of them. */
    @Override
    public void close() {
        close("closed by this side");
        Thread caller = Thread.currentThread();
        if (caller.equals(readerThread) || caller.equals(writerThread)) {
            return;
        }
        ThreadEnd.await(readerThread, JOIN_LIMIT);
        ThreadEnd.await(writerThread, JOIN_LIMIT);
    }

    /** Whether it has ended, or is about to. */
    public boolean isClosed() {
        return end.get() != null;
    }

    private void read() {
        FrameHandler taker = Objects.requireNonNull(handler);
        String cause = "";
        try {
            while (true) {
                FrameHeader header = reader.header(isTrusted ? limits.maxFrameBytes() : limits.maxOpeningBytes());
                ByteBuffer body = reader.body(header.bodyBytes());
                if (header.kind() != FrameKind.HEARTBEAT && !isFinishing) {
                    reader.opened();
                    taker.received(header.kind(), body);
                }
            }
        } catch (FrameException e) {
            cause = "protocol error: " + e.getMessage();
            if (isTrusted) {
                LOG.warn("cluster connection peer={} ends: {}", peer, cause);
            } else {
                tellRefusal(cause);
            }
        } catch (IOException e) {
            cause = String.valueOf(e.getMessage());
        } catch (RuntimeException | Error e) { // a fault of ours ends this connection, never the process
            cause = "fault of this side: " + e;
            LOG.error("cluster connection peer={} ends by a fault of ours", peer, e);
        }
        close(cause);
        try {
            String first = Objects.requireNonNull(end.get());
            LOG.debug("cluster connection peer={} ended: {}", peer, first);
            taker.closed(first);
        } catch (RuntimeException | Error e) {
            LOG.error("cluster connection peer={}: its end was not handled", peer, e);
        }
    }

    private void write() {
        try {
            writer.run();
            if (isFinishing) {
                socket.shutdownOutput();
                reader.awaitEnd();
            }
        } catch (IOException e) {
            close("cannot write: " + e.getMessage());
        } catch (InterruptedException | RuntimeException | Error e) {
            LOG.error("cluster connection peer={} ends by a fault of ours", peer, e);
            close("fault of this side: " + e);
        }
    }

    private static Thread thread(String name, Runnable work) {
        return Thread.ofPlatform().name(name).daemon().stackSize(STACK_BYTES).unstarted(work);
    }
}
