package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.request.EngineException;
import java.net.InetSocketAddress;
import java.util.Optional;

/**
 * What asks and answers peers for all replicas of a process: over ZeroMQ, or in a simulation. One thread, the poller, runs whatever touches a
 * peer, through {@link #offer} and {@link #execute}.
 *
 * <p>What waits for the poller has a bound. New work is refused when {@link HandoffLimits#tasks} of it wait. What follows from work that was
 * taken is never refused, because memory is at rest only when it has run: one task per transfer that has ended, and per request that has
 * begun a few to stop it and at most one that says that more is stored. So no more than that waits, however far the poller falls behind.
 */
public interface SideChannel extends AutoCloseable {
    /** Answers peers; runs on the poller thread. */
    interface Service {
        /**
         * The answer's payload for a request's; empty when it was not a valid request.
         *
         * @param peer the other end of the connection that it came over
         */
        Optional<byte[]> answer(InetSocketAddress peer, byte[] payload);
    }

    /** Makes the service of one rank, given the port of rank 0. */
    interface Services {
        Service of(int firstPort, int rank);
    }

    /**
     * Listens on exactly this host, one port per rank, in a row.
     *
     * @param port of rank 0; 0 for any free ones
     * @param services made for the ports that were taken
     * @return the port of rank 0
     * @throws EngineException UNAVAILABLE naming host and port when it cannot; then it listens on none of them
     */
    int listen(String host, int port, int ranks, Services services);

    /** Closes the ports that {@link #listen} gave; returns when nobody is served there any more. */
    void stopListening(int firstPort, int ranks);

    /**
     * Runs a task that begins something on the poller thread, behind all that was posted before. Any thread. After {@link #close} it is
     * dropped.
     *
     * @return false when as much new work waits as may, or the poller thread is dead or hangs; then the task never runs
     */
    boolean offer(Runnable task);

    /**
     * Runs a task that follows from work that was taken on the poller thread, behind all that was posted before; it is never refused. Any
     * thread. After {@link #close} it is dropped.
     */
    void execute(Runnable task);

    /** The time by which deadlines of transfers are told: {@link System#nanoTime}, but in a simulation. Any thread. */
    long nowNs();

    /** Asks peers. Poller thread only. */
    SideChannelClient client();

    /** Whether the poller thread lives: only then is what {@link #execute} was given ever done. */
    boolean isRunning();

    /** Why the poller thread is dead; empty while it lives. */
    Optional<Throwable> failure();

    /** Why nothing can be exchanged: the poller thread is dead, or does not answer; empty while all is well. Any thread, never waits. */
    Optional<String> trouble();

    /** Ends all connections; then nothing runs any more. */
    @Override
    void close();

    /** An endpoint of ZeroMQ; addresses of version 6 in brackets. */
    static String endpoint(String host, String port) {
        return "tcp://" + bracketed(host) + ":" + port;
    }

    /** A transfer engine's name for a peer. */
    static String segment(String host, int port) {
        return bracketed(host) + ":" + port;
    }

    private static String bracketed(String host) {
        return host.contains(":") ? "[" + host + "]" : host;
    }
}
