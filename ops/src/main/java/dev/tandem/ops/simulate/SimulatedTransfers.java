package dev.tandem.ops.simulate;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.Region;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.RegionTable;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferCounter;
import dev.tandem.transfer.Transfers;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * The transfer engine of a simulated process: bytes of the real memories, let in by the real regions, go over simulated connections in pieces
 * while time passes. As with the real one, a peer's access is open from a request's head to its last byte, memory is read when its bytes leave
 * and written when they come, and a transfer that was given up touches its own memory no more, while bytes that are under way to a peer still
 * arrive.
 */
public class SimulatedTransfers implements Transfers {
    /** Where peers connect to. */
    static final int PORT = 9_000;

    static final String PROTOCOL = "transfer";

    private final SimulatedHost host;
    private final RegionTable regions = new RegionTable();
    private final Counters<TransferCounter> counters = new Counters<>(TransferCounter.class);
    private final Map<String, TransferLine> lines = new LinkedHashMap<>(); // by peer
    private final Set<TransferService> services = new LinkedHashSet<>();

    public SimulatedTransfers(SimulatedHost host) {
        this.host = host;
        host.network().listen(host, PORT, connection -> {
            var service = new TransferService(this, connection);
            services.add(service);
            return service;
        });
    }

    SimulatedHost host() {
        return host;
    }

    @Override
    public String segmentName() {
        return host.address() + ":" + PORT;
    }

    @Override
    public int rpcPort() {
        return PORT;
    }

    @Override
    public void register(Region region) {
        regions.add(region);
    }

    @Override
    public void unregister(Region region) {
        regions.remove(region, 0, () -> services.forEach(TransferService::hangUp));
    }

    /** Lets a peer into memory here. */
    protected Region.Access open(long address, long bytes, Operation operation, String party) {
        return regions.open(address, bytes, operation, party);
    }

    void forget(TransferService service) {
        services.remove(service);
    }

    @Override
    public Transfer read(String peer, SpanBatch spans, Duration deadline) {
        return post(peer, spans, Operation.READ, deadline);
    }

    @Override
    public Transfer write(String peer, SpanBatch spans, Duration deadline) {
        return post(peer, spans, Operation.WRITE, deadline);
    }

    private Transfer post(String peer, SpanBatch spans, Operation operation, Duration deadline) {
        counters.increment(TransferCounter.TRANSFERS);
        TransferLine line = lines.computeIfAbsent(peer, name -> new TransferLine(this, name));
        return line.post(spans, operation, deadline.toNanos());
    }

    /**
     * Bytes of an answer are here: they go where they belong, unless nobody waits for them any more.
     *
     * @param isOver the transfer has ended
     */
    protected void store(SpanBatch spans, long localOffset, byte[] bytes, boolean isOver) {
        if (!isOver) {
            Memory.write(spans.local(), localOffset, bytes);
        }
    }

    /** Whether a body is what was sent. */
    protected boolean isIntact(int sum, int told) {
        return sum == told;
    }

    @Override
    public boolean isRunning() {
        return true;
    }

    @Override
    public Counters<TransferCounter> counters() {
        return counters;
    }

    /** Transfers that have not ended, and accesses of peers that are open. */
    int open() {
        int open = 0;
        for (TransferLine line : lines.values()) {
            open += line.open();
        }
        for (TransferService service : services) {
            open += service.open();
        }
        return open;
    }

    @Override
    public void close() {
        lines.values().forEach(TransferLine::close);
        services.forEach(TransferService::hangUp);
    }
}
