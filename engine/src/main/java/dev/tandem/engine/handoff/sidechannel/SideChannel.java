package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.request.EngineException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
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
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;
import zmq.ZError;

/**
 * The ZeroMQ side of the handoff: one poller thread that owns every socket of the process, listening ones (ROUTER) and those to peers
 * (REQ), because a ZeroMQ socket belongs to one thread. Whatever touches a socket runs there, through {@link #offer} and
 * {@link #execute}.
 *
 * <p>What waits for the poller has a bound. New work is refused when {@link HandoffLimits#tasks} of it wait. What follows from work that was
 * taken is never refused, because memory is at rest only when it has run: one task per transfer that has ended, and per request that has
 * begun a few to stop it and at most one that says that more is stored. So no more than that waits, however far the poller falls behind.
 *
 * <pre>
 *   request   [ identity ][ empty ][ msgpack payload ]      as a REQ socket's message arrives at a ROUTER
 *   reply     [ identity ][ empty ][ payload ]
 * </pre>
 */
public final class SideChannel implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SideChannel.class);

    private static final int MESSAGES_PER_TURN = 256; // of each listener
    private static final int TASKS_PER_TURN = 256; // then sockets get their turn, however many tasks wait
    private static final int MAX_FRAMES = 3;

    /** Gives the answer's payload for a request's; runs on the poller thread. Empty when it was not a valid request. */
    public interface Service {
        Optional<byte[]> answer(byte[] payload);
    }

    /** Makes the service of one rank, given the port of rank 0. */
    public interface Services {
        Service of(int firstPort, int rank);
    }

    /** One listening socket. */
    private record Listener(ZMQ.Socket socket, int port, Service service) {}

    /** How often a run of free ports is looked for. */
    private static final int PORT_TRIES = 50;

    private final HandoffLimits limits;
    private final Counters<HandoffCounter> counters;
    private final ZContext context = new ZContext(1);
    private final Pipe wake; // one byte says: look into the tasks
    private final AtomicBoolean isWoken = new AtomicBoolean(); // a byte is in the pipe, or about to be
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>(); // bounded as the class comment says
    private final AtomicInteger offered = new AtomicInteger(); // how many of them are new work
    private final List<Listener> listeners = new ArrayList<>();
    private final SideChannelClient client;
    private final ZMQ.Poller poller;
    private final Thread thread;
    private volatile boolean isClosing; // set once, by close
    private volatile @Nullable Throwable failure; // set once, by the poller thread when it dies

    private SideChannel(HandoffLimits limits, Counters<HandoffCounter> counters, Pipe wake) {
        this.limits = limits;
        this.counters = counters;
        this.wake = wake;
        context.setLinger(0);
        this.poller = context.createPoller(64);
        this.client = new SideChannelClient(context, poller, limits);
        this.thread = Thread.ofPlatform().name("side-channel").daemon(true).unstarted(this::run);
    }

    /** Starts the poller thread. */
    public static SideChannel start(HandoffLimits limits, Counters<HandoffCounter> counters) {
        try {
            Pipe wake = Pipe.open();
            wake.source().configureBlocking(false);
            wake.sink().configureBlocking(false);
            var channel = new SideChannel(limits, counters, wake);
            channel.thread.start();
            return channel;
        } catch (IOException e) {
            throw new UncheckedIOException("no pipe to wake the side channel", e);
        }
    }

    /**
     * Listens on exactly this host, one port per rank, in a row.
     *
     * @param port of rank 0; 0 for any free ones
     * @param services made for the ports that were taken
     * @return the port of rank 0
     * @throws EngineException UNAVAILABLE naming host and port when it cannot; then it listens on none of them
     */
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
            return bound.orTimeout(10, TimeUnit.SECONDS).join();
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

    /** Closes the ports that {@link #listen} gave; returns when nobody is served there any more. */
    public void stopListening(int firstPort, int ranks) {
        var stopped = new CompletableFuture<Boolean>();
        execute(() -> {
            unbind(firstPort, ranks);
            stopped.complete(true);
        });
        while (thread.isAlive() && !stopped.isDone()) {
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
                boolean isInUse = e instanceof ZMQException zmq && zmq.getErrorCode() == ZError.EADDRINUSE;
                throw new EngineException(
                        EngineException.Kind.UNAVAILABLE,
                        "the side channel of tensor rank " + rank + " cannot listen on " + host + ":"
                                + (firstPort + rank) + " (kv_port): " + (isInUse ? "the port is in use" : e),
                        e);
            }
        }
    }

    private void unbind(int firstPort, int ranks) {
        for (Listener listener : List.copyOf(listeners)) {
            if (listener.port >= firstPort && listener.port < firstPort + ranks) {
                listeners.remove(listener);
                poller.unregister(listener.socket);
                listener.socket.setLinger(0);
                listener.socket.close();
            }
        }
    }

    /** @param port 0 for any free one, which then counts as the first of the row */
    private int bind(String host, int port, int rank, Services services) {
        ZMQ.Socket socket = context.createSocket(SocketType.ROUTER);
        try {
            socket.setIPv6(host.contains(":"));
            socket.setMaxMsgSize(SideChannelCodec.MAX_REQUEST_BYTES);
            socket.setReceiveTimeOut(0);
            socket.setSendTimeOut(0);
            socket.bind(endpoint(host, port == 0 ? "*" : Integer.toString(port)));
        } catch (RuntimeException e) {
            socket.close();
            throw e;
        }
        String last = socket.getLastEndpoint();
        int taken = Integer.parseInt(last.substring(last.lastIndexOf(':') + 1));
        listeners.add(new Listener(socket, taken, services.of(taken - rank, rank)));
        poller.register(socket, ZMQ.Poller.POLLIN);
        return taken;
    }

    /** An endpoint of ZeroMQ; addresses of version 6 in brackets. */
    public static String endpoint(String host, String port) {
        return "tcp://" + bracketed(host) + ":" + port;
    }

    /** A transfer engine's name for a peer. */
    public static String segment(String host, int port) {
        return bracketed(host) + ":" + port;
    }

    private static String bracketed(String host) {
        return host.contains(":") ? "[" + host + "]" : host;
    }

    /**
     * Runs a task that begins something on the poller thread, behind all that was posted before. Any thread. After {@link #close} it is
     * dropped.
     *
     * @return false when as much new work waits as may; then the task never runs
     */
    public boolean offer(Runnable task) {
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

    /**
     * Runs a task that follows from work that was taken on the poller thread, behind all that was posted before; it is never refused. Any
     * thread. After {@link #close} it is dropped.
     */
    public void execute(Runnable task) {
        tasks.add(task);
        if (isWoken.compareAndSet(false, true)) {
            try {
                wake.sink().write(ByteBuffer.allocate(1));
            } catch (IOException e) {
                if (!isClosing) {
                    throw new UncheckedIOException("cannot wake the side channel", e);
                }
            }
        }
    }

    /** Asks peers. Poller thread only. */
    public SideChannelClient client() {
        return client;
    }

    /** Whether the poller thread lives: only then is what {@link #execute} was given ever done. */
    public boolean isRunning() {
        return thread.isAlive();
    }

    /** Why the poller thread is dead; empty while it lives. */
    public Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    private void run() {
        try {
            poller.register(wake.source(), ZMQ.Poller.POLLIN);
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
        } catch (RuntimeException | Error e) {
            failure = e;
            LOG.error("side channel died", e);
        } finally {
            client.abandon();
            context.close();
        }
    }

    /** Waits for messages, tasks or a deadline and serves them. */
    private void turn(long deadlineNs) {
        long waitMs = -1;
        if (deadlineNs != Long.MAX_VALUE) {
            waitMs = Math.max(0, (deadlineNs - System.nanoTime()) / 1_000_000 + 1);
        }
        poller.poll(tasks.isEmpty() ? waitMs : 0);
        drainWake();
        for (int done = 0; done < TASKS_PER_TURN; done++) {
            Runnable task = tasks.poll();
            if (task == null) {
                break;
            }
            task.run();
        }
        for (Listener listener : listeners) {
            serve(listener);
        }
        client.turn(System.nanoTime());
    }

    /** First the byte, then the flag, then the tasks: in another order a byte is taken whose flag stays, and nobody writes the next one. */
    private void drainWake() {
        try {
            while (wake.source().read(ByteBuffer.allocate(16)) > 0) {
                // only the arrival counts
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the wake pipe", e);
        }
        isWoken.set(false);
    }

    private void serve(Listener listener) {
        for (int message = 0; message < MESSAGES_PER_TURN; message++) {
            byte[] identity = listener.socket.recv(ZMQ.DONTWAIT);
            if (identity == null) {
                return;
            }
            var frames = new ArrayList<byte[]>();
            int count = 0;
            while (listener.socket.hasReceiveMore()) {
                byte[] frame = listener.socket.recv(ZMQ.DONTWAIT);
                if (++count < MAX_FRAMES && frame != null) {
                    frames.add(frame);
                }
            }
            answer(listener, identity, frames, count);
        }
    }

    /** A REQ socket waits behind an empty frame, so it gets an answer to whatever it sent; others only to a request. */
    private void answer(Listener listener, byte[] identity, List<byte[]> frames, int count) {
        boolean isFromReq = count > 0 && frames.getFirst().length == 0;
        int payloads = isFromReq ? count - 1 : count;
        Optional<byte[]> answer = payloads == 1 ? listener.service.answer(frames.getLast()) : Optional.empty();
        if (answer.isEmpty()) {
            counters.increment(HandoffCounter.FRAMES_DROPPED);
        }
        if (answer.isPresent() || isFromReq) {
            listener.socket.send(identity, ZMQ.SNDMORE | ZMQ.DONTWAIT);
            listener.socket.send(new byte[0], ZMQ.SNDMORE | ZMQ.DONTWAIT);
            listener.socket.send(answer.orElseGet(SideChannelCodec::refusal), ZMQ.DONTWAIT);
        }
    }

    /** Lets posted questions be answered for a short while, then closes all sockets and ends the thread. */
    @Override
    public void close() {
        isClosing = true;
        execute(() -> {});
        boolean isInterrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        try {
            wake.sink().close();
            wake.source().close();
        } catch (IOException e) {
            LOG.debug("wake pipe did not close", e);
        }
    }
}
