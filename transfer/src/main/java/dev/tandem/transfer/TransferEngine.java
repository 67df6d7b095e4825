package dev.tandem.transfer;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;

/**
 * One process's side of all transfers: serves its regions to peers and reads or writes theirs. Thread-safe.
 */
public final class TransferEngine implements AutoCloseable {
    /** Binds the handshake and data ports and starts the poller. */
    public static TransferEngine start(TransferConfig config) {
        throw new IllegalStateException("contract only " + config);
    }

    /** {@code host:rpcPort}: what peers call this engine (Mooncake's P2PHANDSHAKE segment name). */
    public String segmentName() {
        throw new IllegalStateException("contract only");
    }

    /** The handshake port: {@code te_rpc_port} of the side channel. */
    public int rpcPort() {
        throw new IllegalStateException("contract only");
    }

    /** Lets peers touch real memory; its address is the segment's own. Overlapping regions are refused. */
    public Region register(MemorySegment memory) {
        throw new IllegalStateException("contract only");
    }

    /** Lets peers touch a region that translates addresses itself. */
    public void register(Region region) {
        throw new IllegalStateException("contract only");
    }

    /** Refuses new accesses, then waits until open ones are closed. */
    public void unregister(Region region) {
        throw new IllegalStateException("contract only");
    }

    /**
     * Reads a peer's memory into ours. Returns at once; never throws for a peer's fault: the transfer fails instead.
     *
     * @param peer segment name, {@code host:rpcPort}
     * @param deadline for the whole batch
     */
    public Transfer read(String peer, SpanBatch spans, Duration deadline) {
        throw new IllegalStateException("contract only");
    }

    /** Writes our memory into a peer's. As {@link #read}. */
    public Transfer write(String peer, SpanBatch spans, Duration deadline) {
        throw new IllegalStateException("contract only");
    }

    /** Counters of this engine, for metrics: name and value, see {@code TransferCounter}. */
    public List<CounterReading> counters() {
        throw new IllegalStateException("contract only");
    }

    /** One counter's value. */
    public record CounterReading(String name, String sentence, long value) {}

    /** Cancels what is posted, closes connections, waits for the poller. */
    @Override
    public void close() {}
}
