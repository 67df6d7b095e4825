package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.tcp.DataListener;
import dev.tandem.transfer.tcp.HandshakeServer;
import dev.tandem.transfer.tcp.Pace;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.transfer.wire.SegmentDescriptor;
import dev.tandem.transfer.wire.SegmentDescriptor.Buffer;
import dev.tandem.transfer.wire.SegmentName;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One process's side of all transfers: serves its regions to peers and reads or writes theirs. Thread-safe.
 *
 * <p>One poller thread owns all data connections, those of peers and ours; handshakes run on virtual threads. What depends on a
 * {@link Transfer#done} runs on the poller: it must be short and must not wait for another transfer.
 */
public final class TransferEngine implements Transfers {
    private static final Logger LOG = LoggerFactory.getLogger(TransferEngine.class);
    private static final int PROTOCOL_VERSION = 2;
    private static final long UNREGISTER_GRACE_NS = 1_000_000_000;

    private final TransferConfig config;
    private final RegionTable regions = new RegionTable();
    private final Counters<TransferCounter> counters = new Counters<>(TransferCounter.class);
    private final Handshakes handshakes;
    private final Poller poller;
    private final DataServer server;
    private final PeerTable peers;
    private final DataListener dataListener;
    private final HandshakeServer handshakeServer;

    private TransferEngine(TransferConfig config) throws IOException {
        this.config = config;
        this.handshakes = new Handshakes(this::descriptor, config.timeouts().connect(), counters, config.trust());
        InetAddress address = InetAddress.getByName(config.host());
        if (address.isAnyLocalAddress()) {
            throw new IllegalArgumentException("host " + config.host() + " is a wildcard; name one address");
        }
        this.handshakeServer = HandshakeServer.bind(
                new InetSocketAddress(address, config.ports().handshake()),
                HandshakeServer.Limits.beside(config.bounds().connections()),
                handshakes::begin);
        try {
            this.dataListener = DataListener.bind(
                    new InetSocketAddress(address, config.ports().data()), this::accept);
            this.poller = new Poller(
                    "transfer-" + handshakeServer.port(), new Pace(config.flow().bytesPerSecond(), System.nanoTime()));
            this.server = new DataServer(poller, regions, counters, config);
            this.peers = new PeerTable(config, poller, counters, handshakes);
        } catch (IOException e) {
            handshakeServer.close();
            throw e;
        }
    }

    /**
     * Binds the handshake and data ports and starts the poller.
     *
     * @throws UncheckedIOException a port cannot be bound; the message names it
     */
    public static TransferEngine start(TransferConfig config) {
        try {
            TransferEngine engine = new TransferEngine(config);
            engine.open();
            LOG.debug("transfer engine segment={} dataPort={}", engine.segmentName(), engine.dataListener.port());
            return engine;
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    /** Mooncake's P2PHANDSHAKE segment name. */
    @Override
    public String segmentName() {
        return new SegmentName(config.host(), rpcPort()).toString();
    }

    /** The handshake port: {@code te_rpc_port} of the side channel. */
    @Override
    public int rpcPort() {
        return handshakeServer.port();
    }

    /** The data port: {@code tcp_data_port} of the descriptor. */
    public int dataPort() {
        return dataListener.port();
    }

    /**
     * Lets peers touch real memory; its address is the segment's own. Overlapping regions are refused.
     *
     * @param memory native, open to all threads, not empty; stays alive until {@link #unregister} has returned
     */
    public Region register(MemorySegment memory) {
        checkUsable(memory);
        Region region = new DirectRegion(memory);
        regions.add(region);
        return region;
    }

    @Override
    public void register(Region region) {
        regions.add(region);
    }

    /** A peer that holds an access for longer than a second is cut off. */
    @Override
    public void unregister(Region region) {
        if (poller.isPollerThread()) {
            throw new IllegalStateException("unregister would wait for its own thread");
        }
        regions.remove(region, UNREGISTER_GRACE_NS, () -> poller.execute(() -> server.cutOff(region)));
    }

    @Override
    public Transfer read(String peer, SpanBatch spans, Duration deadline) {
        if (spans.local().isReadOnly()) {
            throw new IllegalArgumentException("local memory is read-only");
        }
        return post(peer, spans, Region.Operation.READ, deadline);
    }

    @Override
    public Transfer write(String peer, SpanBatch spans, Duration deadline) {
        return post(peer, spans, Region.Operation.WRITE, deadline);
    }

    /**
     * Asks a peer what it offers, without the cache. Blocks for at most twice the connect timeout.
     *
     * @throws TransferException it does not answer, or with no descriptor
     */
    public SegmentDescriptor describe(String peer) {
        return handshakes.fetch(peer).descriptor();
    }

    /** Whether the poller and the handshake port live. */
    @Override
    public boolean isRunning() {
        return poller.isRunning() && handshakeServer.isRunning();
    }

    @Override
    public Counters<TransferCounter> counters() {
        return counters;
    }

    /** Cancels what is posted, closes connections, waits for the poller. */
    @Override
    public void close() {
        try {
            handshakeServer.close();
        } catch (IOException e) {
            LOG.warn("handshake port={} did not close: {}", rpcPort(), e.toString());
        }
        poller.close();
    }

    private Transfer post(String peer, SpanBatch spans, Region.Operation operation, Duration deadline) {
        checkUsable(spans.local());
        PostedTransfer transfer = new PostedTransfer(peer, spans, operation, deadline.toNanos(), this::cancel);
        counters.increment(TransferCounter.TRANSFERS);
        if (transfer.totalBytes() == 0) {
            transfer.complete();
        } else if (!peers.reserve()) {
            counters.increment(TransferCounter.FAILED_OVERLOADED);
            transfer.fail(
                    new TransferException(Kind.OVERLOADED, PeerTable.MAX_POSTED + " transfers are posted already"));
        } else if (!poller.execute(() -> peers.post(transfer))) {
            peers.ended();
            counters.increment(TransferCounter.FAILED_CANCELLED);
            transfer.fail(new TransferException(Kind.CANCELLED, "transfer engine is closed"));
        }
        return transfer;
    }

    private void open() {
        poller.start(new Poller.Owner() {
            @Override
            public long sweep(long nowNs) {
                long next = Math.min(server.sweep(nowNs), peers.sweep(nowNs));
                return Math.min(next, dataListener.sweep(nowNs));
            }

            @Override
            public void stopped(@Nullable Throwable cause) {
                closeDataPort();
                server.close();
                peers.close(cause);
            }
        });
        poller.execute(this::watchDataPort);
        handshakeServer.start();
    }

    private void watchDataPort() {
        try {
            dataListener.watch(poller);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // our own socket: this ends the poller, and the engine's health with it
        }
    }

    private void accept(SocketChannel channel) {
        server.accept(channel);
    }

    private void closeDataPort() {
        try {
            dataListener.close();
        } catch (IOException e) {
            LOG.warn("data port={} did not close: {}", dataListener.port(), e.toString());
        }
    }

    private void cancel(PostedTransfer transfer) {
        poller.execute(() -> peers.cancel(transfer));
    }

    private void checkUsable(MemorySegment memory) {
        if (!memory.isNative() || !memory.isAccessibleBy(poller.thread())) {
            throw new IllegalArgumentException("memory must be native and open to all threads: " + memory);
        }
    }

    private SegmentDescriptor descriptor() {
        String name = segmentName();
        List<Buffer> buffers = regions.regions().stream()
                .map(region -> new Buffer(name, region.address(), region.length()))
                .toList();
        SegmentDescriptor.Tcp tcp =
                new SegmentDescriptor.Tcp(dataListener.port(), "", PROTOCOL_VERSION, config.checksums());
        return new SegmentDescriptor(name, List.of(SegmentDescriptor.TCP), tcp, buffers);
    }
}
