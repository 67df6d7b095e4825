package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.zmtp.ZmtpException;
import dev.tandem.engine.handoff.zmtp.ZmtpFrames;
import dev.tandem.engine.handoff.zmtp.ZmtpLimits;
import dev.tandem.engine.handoff.zmtp.ZmtpProof;
import dev.tandem.engine.handoff.zmtp.ZmtpReader;
import dev.tandem.engine.handoff.zmtp.ZmtpReader.Event;
import dev.tandem.engine.handoff.zmtp.ZmtpSocketType;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks this process's own side channel whether it lives, as a peer would: over a fresh connection to one of its ports, in turn, with a PING
 * that the poller thread must answer. Where no port is open, the poller thread is given a task instead. What does not answer is asked again
 * until it does; after some misses in a row that is the verdict. A thread of its own, so that whoever wants the verdict waits for nothing.
 */
final class SideChannelWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SideChannelWatch.class);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(5);

    /**
     * @param interval between two questions
     * @param within which an answer must come
     * @param misses in a row that are a verdict
     */
    record Schedule(Duration interval, Duration within, int misses) {
        /** A verdict on a dead port in about ten seconds; a machine that is only slow gets none. */
        static final Schedule STANDARD = new Schedule(Duration.ofSeconds(1), Duration.ofSeconds(2), 3);
    }

    private final Schedule schedule;
    private final ZmtpLimits.Sizes sizes;
    private final PeerTrust trust;
    private final Executor poller;
    private final Counters<HandoffCounter> counters;
    private final List<InetSocketAddress> ports =
            new CopyOnWriteArrayList<>(); // changed by whoever listens, read by the thread
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Thread thread;
    private CompletableFuture<Boolean> task =
            CompletableFuture.completedFuture(true); // the thread's: what the poller was given last
    private volatile Optional<String> verdict = Optional.empty(); // by the thread for everybody

    /**
     * @param trust of this process
     * @param poller runs what it is given on the poller thread
     */
    SideChannelWatch(
            Schedule schedule,
            ZmtpLimits.Sizes sizes,
            PeerTrust trust,
            Executor poller,
            Counters<HandoffCounter> counters) {
        this.schedule = schedule;
        this.trust = trust;
        this.sizes = sizes;
        this.poller = poller;
        this.counters = counters;
        this.thread = Thread.ofPlatform().name("side-channel-watch").daemon().unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /** A port is open from now on. Any thread. */
    void add(InetSocketAddress port) {
        ports.add(port);
    }

    /** A port is about to be closed. Any thread. */
    void remove(int port) {
        ports.removeIf(open -> open.getPort() == port);
    }

    /** Why the side channel is taken for dead; empty while it answers. Any thread; waits for nothing. */
    Optional<String> verdict() {
        return verdict;
    }

    @Override
    public void close() {
        closing.countDown();
        if (!Thread.currentThread().equals(thread)) {
            ThreadEnd.await(thread, CLOSE_LIMIT);
        }
    }

    private void run() {
        int turn = 0;
        int misses = 0;
        try {
            while (!closing.await(schedule.interval().toNanos(), TimeUnit.NANOSECONDS)) {
                List<InetSocketAddress> open = List.copyOf(ports);
                Optional<String> miss = open.isEmpty() ? askThread() : ask(open.get(turn % open.size()));
                if (miss.isEmpty()) {
                    misses = 0;
                    turn++; // one that does not answer is asked again
                    heard();
                } else {
                    missed(miss.get(), ++misses);
                }
            }
        } catch (InterruptedException nobodyDoesThis) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException | Error e) {
            LOG.error("the side channel's watch died", e);
            verdict = Optional.of("the side channel's watch died: " + e);
        }
    }

    private void heard() {
        if (verdict.isPresent()) {
            LOG.info("the side channel answers again");
            verdict = Optional.empty();
        }
    }

    private void missed(String miss, int misses) {
        counters.increment(HandoffCounter.SIDE_CHANNEL_SILENT);
        if (misses >= schedule.misses()) {
            if (verdict.isEmpty()) {
                LOG.error("the side channel does not answer its own node: {}", miss);
            }
            verdict = Optional.of("the side channel does not answer: " + miss);
        }
    }

    /** Empty when it answered, else what happened. */
    private Optional<String> ask(InetSocketAddress port) {
        long endNs = System.nanoTime() + schedule.within().toNanos();
        String where = port.getAddress().getHostAddress() + ":" + port.getPort();
        try (var socket = new Socket()) {
            socket.setSoLinger(true, 0); // such a connection leaves nothing behind
            socket.connect(port, leftMillis(endNs));
            byte[] context = Long.toHexString(endNs).getBytes(StandardCharsets.US_ASCII);
            OutputStream out = socket.getOutputStream();
            out.write(ZmtpFrames.greeting());
            // The other side is known to take it at once, and answers PING before the proof that its READY asks for.
            out.write(new ZmtpProof(trust, port, Side.CONNECTING).ready(ZmtpSocketType.REQ));
            out.write(ZmtpFrames.ping(context));
            awaitPong(socket, context, endNs);
            return Optional.empty();
        } catch (IOException | ZmtpException e) {
            return Optional.of(where + ": " + e.getMessage());
        }
    }

    private void awaitPong(Socket socket, byte[] context, long endNs) throws IOException, ZmtpException {
        var reader = new ZmtpReader(ZmtpSocketType.REQ, sizes.answerBytes(), sizes);
        var bytes = new byte[512];
        while (true) {
            socket.setSoTimeout(leftMillis(endNs));
            int count = socket.getInputStream().read(bytes);
            if (count < 0) {
                throw new IOException("closed without an answer");
            }
            var unread = ByteBuffer.wrap(bytes, 0, count);
            for (Event event = reader.next(unread); event != null; event = reader.next(unread)) {
                if (event instanceof Event.Ponged pong && Arrays.equals(pong.context(), context)) {
                    return;
                }
            }
        }
    }

    private int leftMillis(long endNs) throws SocketTimeoutException {
        long leftMs = (endNs - System.nanoTime()) / 1_000_000;
        if (leftMs <= 0) {
            throw new SocketTimeoutException(
                    "no answer within " + schedule.within().toMillis() + " ms");
        }
        return (int) leftMs;
    }

    private Optional<String> askThread() throws InterruptedException {
        if (task.isDone()) { // else the last one waits still
            var next = new CompletableFuture<Boolean>();
            task = next;
            poller.execute(() -> next.complete(true));
        }
        try {
            task.get(schedule.within().toNanos(), TimeUnit.NANOSECONDS);
            return Optional.empty();
        } catch (TimeoutException e) {
            return Optional.of(
                    "its thread does nothing for " + schedule.within().toMillis() + " ms");
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
