package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.tcp.Poller;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** All peers that we transfer with. Owned by the poller, except for the count of what is posted. */
final class PeerTable {
    /** Transfers that may be posted and not yet done, over all peers. */
    static final int MAX_POSTED = 16_384;

    private static final int SCRATCH_BYTES = 64 << 10;

    private final TransferConfig config;
    private final Poller poller;
    private final Counters<TransferCounter> counters;
    private final Handshakes handshakes;
    private final ByteBuffer scratch = ByteBuffer.allocateDirect(SCRATCH_BYTES); // for answers that nobody wants
    private final Map<String, Peer> peers = new HashMap<>();
    // Counted up by callers, down by the poller: the bound must hold before a transfer is queued.
    private final AtomicInteger posted = new AtomicInteger();

    PeerTable(TransferConfig config, Poller poller, Counters<TransferCounter> counters, Handshakes handshakes) {
        this.config = config;
        this.poller = poller;
        this.counters = counters;
        this.handshakes = handshakes;
    }

    /** Takes one of the places for posted transfers. Any thread. */
    boolean reserve() {
        if (posted.incrementAndGet() > MAX_POSTED) {
            posted.decrementAndGet();
            return false;
        }
        return true;
    }

    /** A posted transfer has ended. */
    void ended() {
        posted.decrementAndGet();
    }

    void post(PostedTransfer transfer) {
        peers.computeIfAbsent(transfer.peer(), name -> new Peer(name, this)).post(transfer);
    }

    void cancel(PostedTransfer transfer) {
        Peer peer = peers.get(transfer.peer());
        if (peer != null && !transfer.isOver()) {
            peer.fail(
                    transfer,
                    Kind.CANCELLED,
                    "cancelled after " + transfer.movedBytes() + " of " + transfer.totalBytes() + " bytes");
            peer.pump();
        }
    }

    long sweep(long nowNs) {
        long next = Long.MAX_VALUE;
        for (Peer peer : new ArrayList<>(peers.values())) {
            next = Math.min(next, peer.sweep(nowNs));
        }
        peers.values().removeIf(peer -> peer.isForgettable(nowNs));
        return next;
    }

    void close(@Nullable Throwable cause) {
        for (Peer peer : new ArrayList<>(peers.values())) {
            peer.close(Kind.CANCELLED, cause == null ? "transfer engine closed" : "transfer poller died", cause);
        }
    }

    TransferConfig config() {
        return config;
    }

    Poller poller() {
        return poller;
    }

    Counters<TransferCounter> counters() {
        return counters;
    }

    Handshakes handshakes() {
        return handshakes;
    }

    ByteBuffer scratch() {
        return scratch;
    }
}
