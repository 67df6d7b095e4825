package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.zmtp.ZmtpLimits;
import dev.tandem.engine.handoff.zmtp.ZmtpListener;
import dev.tandem.engine.handoff.zmtp.ZmtpPoller;
import dev.tandem.engine.request.EngineException;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The side channel over ZeroMQ: one poller thread that owns every socket of the process, listening ones (ROUTER) and those to peers
 * (REQ). What a peer does ends its own connection at most; a {@link SideChannelWatch} asks through the process's own ports whether the thread
 * lives and answers.
 *
 * <pre>
 *   request   [ identity ][ empty ][ msgpack payload ]      as a REQ socket's message arrives at a ROUTER
 *   reply     [ identity ][ empty ][ payload ]
 * </pre>
 */
public final class ZmtpSideChannel implements SideChannel {
    private static final Logger LOG = LoggerFactory.getLogger(ZmtpSideChannel.class);

    private static final int TASKS_PER_TURN = 256; // then sockets get their turn, however many tasks wait

    private static final Duration LISTEN_LIMIT = Duration.ofMinutes(1); // a process that starts may starve
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(10);

    /** How often a run of free ports is looked for. */
    private static final int PORT_TRIES = 50;

    private final HandoffLimits limits;
    private final Counters<HandoffCounter> counters;
    private final AtomicBoolean isWoken =
            new AtomicBoolean(); // the poller was told to look into the tasks, or is about to be
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>(); // bounded as SideChannel says
    private final AtomicInteger offered = new AtomicInteger(); // how many of them are new work
    private final List<ZmtpListener> listeners = new ArrayList<>();
    private final ZmtpPoller poller;
    private final SideChannelClient client;
    private final SideChannelWatch watch;
    private final Thread thread;
    private volatile boolean isClosing; // set once, by close
    private volatile @Nullable Throwable failure; // set once, by the poller thread when it dies

    private ZmtpSideChannel(
            HandoffLimits limits,
            ZmtpLimits sockets,
            SideChannelWatch.Schedule watching,
            PeerTrust trust,
            Counters<HandoffCounter> counters,
            ZmtpPoller poller) {
        this.limits = limits;
        this.counters = counters;
        this.poller = poller;
        this.client = new SideChannelClient(
                (address, handlers) -> poller.connect(address, handlers::apply),
                new HostLookups(this::execute, sockets.crowd().lookups()),
                limits,
                this::nowNs);
        this.watch = new SideChannelWatch(watching, sockets.sizes(), trust, this::execute, counters);
        this.thread = Thread.ofPlatform().name("side-channel").daemon(true).unstarted(this::run);
    }

    /** Starts the poller thread and its watch. */
    public static ZmtpSideChannel start(HandoffLimits limits, Counters<HandoffCounter> counters) {
        return start(limits, PeerTrust.everybody(), counters);
    }

    /**
     * Starts the poller thread and its watch.
     *
     * @param trust which peers are answered and asked
     */
    public static ZmtpSideChannel start(HandoffLimits limits, PeerTrust trust, Counters<HandoffCounter> counters) {
        ZmtpLimits sockets =
                ZmtpLimits.ofThisProcess(SideChannelCodec.MAX_REQUEST_BYTES, SideChannelCodec.MAX_METADATA_BYTES);
        return start(limits, sockets, SideChannelWatch.Schedule.STANDARD, trust, counters);
    }

    /** As above, with bounds of the caller's own and without a secret. */
    static ZmtpSideChannel start(
            HandoffLimits limits,
            ZmtpLimits sockets,
            SideChannelWatch.Schedule watching,
            Counters<HandoffCounter> counters) {
        return start(limits, sockets, watching, PeerTrust.everybody(), counters);
    }

    private static ZmtpSideChannel start(
            HandoffLimits limits,
            ZmtpLimits sockets,
            SideChannelWatch.Schedule watching,
            PeerTrust trust,
            Counters<HandoffCounter> counters) {
        try {
            var channel = new ZmtpSideChannel(
                    limits, sockets, watching, trust, counters, ZmtpPoller.open(sockets, trust, counters));
            channel.thread.start();
            channel.watch.start();
            return channel;
        } catch (IOException e) {
            throw new UncheckedIOException("no selector for the side channel", e);
        }
    }

    @Override
    public int listen(String host, int port, int ranks, Services services) {
        var bound = new CompletableFuture<Integer>();
        execute(() -> {
            try {
                if (port == 0) {
                    bound.complete(bindFree(host, ranks, services));
                } else {
                    bindRow(host, port, 0, ranks, services);
                    bound.complete(port);
                }
            } catch (RuntimeException e) {
                bound.completeExceptionally(e);
            }
        });
        try {
            return bound.orTimeout(LISTEN_LIMIT.toSeconds(), TimeUnit.SECONDS).join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof EngineException refused) {
                throw refused;
            }
            throw new EngineException(
                    EngineException.Kind.UNAVAILABLE,
                    "the side channel cannot listen on " + host + ":" + port + ": " + e.getCause(),
                    e);
        }
    }

    @Override
    public void stopListening(int firstPort, int ranks) {
        var stopped = new CompletableFuture<Boolean>();
        execute(() -> {
            unbind(firstPort, ranks);
            stopped.complete(true);
        });
        long endNs = System.nanoTime() + CLOSE_LIMIT.toNanos();
        while (thread.isAlive() && !stopped.isDone()) {
            if (endNs - System.nanoTime() <= 0) {
                LOG.error("port {} stays open: {} does not react", firstPort, thread.getName());
                return;
            }
            try {
                stopped.get(50, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                LOG.trace("port {} is still open", firstPort);
            } catch (ExecutionException e) {
                throw new IllegalStateException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private int bindFree(String host, int ranks, Services services) {
        for (int trial = 1; ; trial++) {
            int first = bind(host, 0, 0, services);
            try {
                bindRow(host, first, 1, ranks, services);
                return first;
            } catch (EngineException e) {
                unbind(first, 1);
                if (trial == PORT_TRIES) {
                    throw e;
                }
            }
        }
    }

    /** Binds the ports of ranks {@code [fromRank, ranks)}, or none of them. */
    private void bindRow(String host, int firstPort, int fromRank, int ranks, Services services) {
        for (int rank = fromRank; rank < ranks; rank++) {
            try {
                bind(host, firstPort + rank, rank, services);
            } catch (RuntimeException e) {
                unbind(firstPort + fromRank, rank - fromRank);
                boolean isInUse = e.getCause() instanceof BindException refused
                        && String.valueOf(refused.getMessage()).contains("in use");
                throw new EngineException(
                        EngineException.Kind.UNAVAILABLE,
                        "the side channel of tensor rank " + rank + " cannot listen on " + host + ":"
                                + (firstPort + rank) + " (kv_port): " + (isInUse ? "the port is in use" : e),
                        e);
            }
        }
    }

    private void unbind(int firstPort, int ranks) {
        for (ZmtpListener listener : List.copyOf(listeners)) {
            if (listener.port() >= firstPort && listener.port() < firstPort + ranks) {
                watch.remove(listener.port());
                listeners.remove(listener);
                listener.close();
            }
        }
    }

    /** @param port 0 for any free one, which then counts as the first of the row */
    private int bind(String host, int port, int rank, Services services) {
        try {
            InetAddress address = InetAddress.getByName(host);
            ServerSocketChannel socket = ZmtpListener.bind(new InetSocketAddress(address, port));
            int taken = socket.socket().getLocalPort();
            Service service = services.of(taken - rank, rank);
            listeners.add(poller.listen(socket, connection -> new PeerAnswers(connection, service, counters)));
            watch.add(new InetSocketAddress(address, taken));
            return taken;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public boolean offer(Runnable task) {
        if (trouble().isPresent()) {
            counters.increment(HandoffCounter.TASKS_REFUSED);
            return false;
        }
        if (offered.incrementAndGet() > limits.tasks()) {
            offered.decrementAndGet();
            counters.increment(HandoffCounter.TASKS_REFUSED);
            return false;
        }
        execute(() -> {
            offered.decrementAndGet();
            task.run();
        });
        return true;
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (isWoken.compareAndSet(false, true)) {
            poller.wakeup();
        }
    }

    @Override
    public long nowNs() {
        return System.nanoTime();
    }

    @Override
    public SideChannelClient client() {
        return client;
    }

    @Override
    public boolean isRunning() {
        return thread.isAlive();
    }

    @Override
    public Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    @Override
    public Optional<String> trouble() {
        return failure()
                .map(cause -> "the side channel's thread died: " + cause)
                .or(watch::verdict);
    }

    private void run() {
        try {
            long graceEndNs = Long.MAX_VALUE;
            while (true) {
                long nowNs = System.nanoTime();
                if (isClosing && graceEndNs == Long.MAX_VALUE) {
                    graceEndNs = nowNs + limits.closeGrace().toNanos();
                }
                if (isClosing && ((tasks.isEmpty() && client.isIdle()) || nowNs - graceEndNs >= 0)) {
                    return;
                }
                turn(isClosing ? Math.min(graceEndNs, client.nextDeadlineNs()) : client.nextDeadlineNs());
            }
        } catch (IOException | RuntimeException | Error e) {
            failure = e;
            LOG.error("the side channel's thread died", e);
        } finally {
            try {
                client.abandon();
            } finally {
                poller.close();
            }
        }
    }

    /** Waits for messages, tasks or a deadline and serves them. */
    private void turn(long deadlineNs) throws IOException {
        poller.poll(tasks.isEmpty() ? deadlineNs : Long.MIN_VALUE);
        isWoken.set(false); // before the tasks: whoever adds one behind this look wakes the poller again
        for (int done = 0; done < TASKS_PER_TURN; done++) {
            Runnable task = tasks.poll();
            if (task == null) {
                break;
            }
            task.run();
        }
        client.turn(System.nanoTime());
    }

    /** Lets posted questions be answered for a short while, then closes all sockets and ends the thread. */
    @Override
    public void close() {
        close(limits.closeGrace().plus(CLOSE_LIMIT));
    }

    void close(Duration limit) {
        watch.close();
        isClosing = true;
        execute(() -> {});
        ThreadEnd.await(thread, limit);
    }
}
