package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import java.time.Duration;

/** What moves bytes between the memory of this process and that of its peers: a {@link TransferEngine}, or a simulation's. Thread-safe. */
public interface Transfers extends AutoCloseable {
    /** {@code host:rpcPort}: what peers call this process. */
    String segmentName();

    /** The port behind the colon. */
    int rpcPort();

    /** Lets peers touch a region that translates addresses itself. */
    void register(Region region);

    /** Refuses new accesses, then waits until open ones are closed. */
    void unregister(Region region);

    /**
     * Reads a peer's memory into ours. Returns at once; never throws for a peer's fault: the transfer fails instead.
     *
     * @param peer segment name, {@code host:rpcPort}
     * @param spans local memory native and open to all threads
     * @param deadline for the whole batch
     */
    Transfer read(String peer, SpanBatch spans, Duration deadline);

    /** Writes our memory into a peer's; otherwise as {@link #read}. */
    Transfer write(String peer, SpanBatch spans, Duration deadline);

    /** Whether anything will move any more. */
    boolean isRunning();

    /** What is counted; any thread. */
    Counters<TransferCounter> counters();

    /** Cancels what is posted; then nothing moves any more. */
    @Override
    void close();
}
