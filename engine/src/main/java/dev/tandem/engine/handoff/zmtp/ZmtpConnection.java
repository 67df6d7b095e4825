package dev.tandem.engine.handoff.zmtp;

import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import dev.tandem.engine.handoff.zmtp.ZmtpReader.Event;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection, of either side, from the TCP connection on:
 *
 * <pre>
 *   both: greeting    both, behind the peer's greeting: READY    {@link ZmtpProof}    then messages either way; PING is answered here
 * </pre>
 *
 * <p>A peer that does not read is not read from either, once {@link ZmtpLimits.Memory#queuedBytes} wait for it. Whatever ends a connection ends
 * it alone. Owned by the poller's thread.
 */
public final class ZmtpConnection implements MessageConnection {
    private static final Logger LOG = LoggerFactory.getLogger(ZmtpConnection.class);
    private static final long NEVER = Long.MAX_VALUE;

    private final ZmtpPoller poller;
    private final SocketChannel channel;
    private final SelectionKey key;
    private final InetSocketAddress remote;
    private final Optional<ZmtpListener> listener; // empty when this side has dialled
    private final ZmtpSocketType type;
    private final ZmtpReader reader;
    private final ZmtpProof proof;
    private final ZmtpHandler handler;
    private final ArrayDeque<ByteBuffer> queue = new ArrayDeque<>(); // what waits to be written
    private int queuedBytes;
    private @Nullable ByteBuffer unread; // bytes that have come and wait until the peer reads its answers
    private int accountedBytes; // that the poller counts for this connection
    private boolean isReady;
    private boolean isClosed;
    private long comingByNs; // when the handshake, or the message that is coming, must be whole
    private long writtenByNs = NEVER; // when the first of the queue must be written
    private long lastNs; // when bytes came or went

    /** @param listener that accepted it: then this side is a ROUTER, else a REQ socket */
    ZmtpConnection(
            ZmtpPoller poller,
            SocketChannel channel,
            InetSocketAddress remote,
            Optional<ZmtpListener> listener,
            Function<ZmtpConnection, ZmtpHandler> handlers)
            throws IOException {
        this.poller = poller;
        this.channel = channel;
        this.remote = remote;
        this.listener = listener;
        this.type = listener.isPresent() ? ZmtpSocketType.ROUTER : ZmtpSocketType.REQ;
        ZmtpLimits.Sizes sizes = poller.limits().sizes();
        int messageBytes = listener.isPresent() ? sizes.requestBytes() : sizes.answerBytes();
        this.proof = new ZmtpProof(poller.trust(), remote, listener.isPresent() ? Side.LISTENING : Side.CONNECTING);
        this.reader = new ZmtpReader(type, messageBytes, sizes);
        channel.configureBlocking(false);
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        this.key = poller.watch(channel, channel.isConnected() ? SelectionKey.OP_READ : SelectionKey.OP_CONNECT, this);
        this.lastNs = System.nanoTime();
        this.comingByNs = lastNs + poller.limits().times().handshake().toNanos();
        poller.sweepBy(comingByNs);
        this.handler = handlers.apply(this);
    }

    @Override
    public InetSocketAddress remote() {
        return remote;
    }

    /** Whether nothing comes or goes here any more. */
    public boolean isClosed() {
        return isClosed;
    }

    @Override
    public void send(List<byte[]> parts) {
        if (!isReady) {
            throw new IllegalStateException("a message to " + this + " before READY");
        }
        write(ZmtpFrames.message(parts));
    }

    @Override
    public void close(String reason) {
        if (isClosed) {
            return;
        }
        isClosed = true;
        queue.clear();
        queuedBytes = 0;
        unread = null;
        comingByNs = NEVER;
        writtenByNs = NEVER;
        account(0);
        poller.forget(this);
        listener.ifPresent(port -> port.forget(this));
        key.cancel();
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("peer={} did not close: {}", this, e.toString());
        }
        LOG.debug("side channel peer={} ended: {}", this, reason);
        try {
            handler.closed(reason);
        } catch (RuntimeException | Error e) {
            LOG.error("side channel peer={}: its end was not handled", this, e);
        }
    }

    /** Ends the connection because this side does not put up with something. */
    void refuse(ZmtpException cause) {
        if (!isClosed) {
            poller.refusals().ended(this, cause, System.nanoTime());
            if (cause.kind() == Kind.UNPROVEN) {
                write(ZmtpFrames.error(String.valueOf(cause.getMessage())));
            }
            close(String.valueOf(cause.getMessage()));
        }
    }

    /** Address and port of the peer, for messages. */
    @Override
    public String toString() {
        return remote.getAddress().getHostAddress() + ":" + remote.getPort();
    }

    /** The port that accepted it; empty when this side has dialled. */
    Optional<ZmtpListener> listener() {
        return listener;
    }

    /** When bytes last came or went. */
    long lastNs() {
        return lastNs;
    }

    /** What it makes this process keep. */
    int accountedBytes() {
        return accountedBytes;
    }

    /** Ends the connection when a deadline has passed; gives the next one. */
    long sweep(long nowNs) {
        long deadlineNs = ZmtpPoller.earlier(comingByNs, writtenByNs);
        if (deadlineNs == NEVER || deadlineNs - nowNs > 0) {
            return deadlineNs;
        }
        String late;
        if (deadlineNs == writtenByNs) {
            late = queuedBytes + " bytes wait that it does not read";
        } else {
            late = isReady ? "the rest of a message does not come" : "greeting, READY and proof do not come";
        }
        refuse(new ZmtpException(Kind.STALLED, late));
        return NEVER;
    }

    /** Does whatever the channel is ready for. What is thrown ends this connection and nothing else. */
    void ready() {
        try {
            if (key.isConnectable()) {
                channel.finishConnect();
                key.interestOps(SelectionKey.OP_READ);
                greet();
                return;
            }
            lastNs = System.nanoTime();
            if (key.isWritable()) {
                flush();
            }
            if (!isClosed && unread == null && key.isReadable()) {
                read();
            }
        } catch (ZmtpException e) {
            refuse(e);
        } catch (IOException e) {
            close(String.valueOf(e.getMessage()));
        } catch (RuntimeException | Error e) {
            refuse(new ZmtpException(Kind.FAULT, "a fault of this side: " + e, e));
        }
    }

    /** First thing on a connected channel. */
    void greet() {
        write(ZmtpFrames.greeting());
    }

    private void read() throws IOException, ZmtpException {
        ByteBuffer bytes = poller.readBuffer();
        if (channel.read(bytes.clear()) < 0) {
            close("the peer has closed the connection");
            return;
        }
        take(bytes.flip());
    }

    /** Handles what came, as far as the peer reads what it gets; the rest waits here. */
    private void take(ByteBuffer bytes) throws ZmtpException {
        boolean isProgress = false;
        while (!isClosed && !isFull()) {
            Event event = reader.next(bytes);
            if (event == null) {
                break;
            }
            isProgress = true;
            handle(event);
        }
        if (isClosed) {
            return;
        }
        if (bytes.hasRemaining()) {
            var rest = new byte[bytes.remaining()];
            bytes.get(rest);
            unread = ByteBuffer.wrap(rest);
        }
        if (isReady) {
            expect(isProgress);
        }
        settle();
    }

    /** A message that has begun must be whole in time; while this side does not read, nothing is expected. */
    private void expect(boolean isProgress) {
        if (!reader.isMidway() || unread != null) {
            comingByNs = NEVER;
        } else if (isProgress || comingByNs == NEVER) {
            comingByNs = lastNs + poller.limits().times().stall().toNanos();
            poller.sweepBy(comingByNs);
        }
    }

    private void handle(Event event) throws ZmtpException {
        switch (event) {
            case Event.Greeted greeted -> write(proof.ready(type));
            case Event.Readied readied -> {
                proof.readied(readied.properties()).ifPresent(this::write);
                openWhenProven();
            }
            case Event.Proved shown -> {
                proof.proved(shown.proof()).ifPresent(this::write);
                openWhenProven();
            }
            case Event.Message message -> {
                if (!isReady) {
                    throw new ZmtpException(Kind.UNPROVEN, PeerTrust.noProof(Wire.SIDE_CHANNEL, toString()));
                }
                handler.received(message.parts());
            }
            case Event.Pinged ping -> write(ZmtpFrames.pong(ping.context()));
            case Event.Ponged pong -> LOG.trace("side channel peer={} lives", this);
        }
    }

    private void openWhenProven() {
        if (!isReady && !isClosed && proof.isOpen()) {
            isReady = true;
            comingByNs = NEVER;
            handler.opened();
        }
    }

    private boolean isFull() {
        return queuedBytes > poller.limits().memory().queuedBytes();
    }

    private void write(byte[] bytes) {
        if (isClosed) {
            return;
        }
        queue.add(ByteBuffer.wrap(bytes));
        queuedBytes += bytes.length;
        try {
            flush();
            settle();
        } catch (IOException e) {
            close(String.valueOf(e.getMessage()));
        } catch (ZmtpException e) {
            refuse(e);
        } catch (RuntimeException | Error e) { // of whoever handles what had waited: not the affair of whoever writes
            refuse(new ZmtpException(Kind.FAULT, "a fault of this side: " + e, e));
        }
    }

    /** Writes what goes; when that makes room, what has come and waits is handled. */
    private void flush() throws IOException, ZmtpException {
        if (writtenByNs == NEVER && !queue.isEmpty()) {
            begunNext();
        }
        while (!queue.isEmpty()) {
            ByteBuffer first = queue.element();
            queuedBytes -= channel.write(first);
            if (first.hasRemaining()) {
                break;
            }
            queue.remove();
            begunNext();
        }
        if (unread != null && !isFull()) {
            ByteBuffer bytes = unread;
            unread = null;
            take(bytes);
        } else {
            settle();
        }
    }

    private void begunNext() {
        writtenByNs = NEVER;
        if (!queue.isEmpty()) {
            writtenByNs = System.nanoTime() + poller.limits().times().stall().toNanos();
            poller.sweepBy(writtenByNs);
        }
    }

    /** Says what it waits for and what it keeps. */
    private void settle() {
        if (isClosed) {
            return;
        }
        key.interestOps((unread == null ? SelectionKey.OP_READ : 0) | (queue.isEmpty() ? 0 : SelectionKey.OP_WRITE));
        account(reader.heldBytes() + queuedBytes + (unread == null ? 0 : unread.capacity()));
    }

    private void account(int bytes) {
        int change = bytes - accountedBytes;
        accountedBytes = bytes;
        poller.account(change);
    }
}
