package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the ranks of peer engines said about their memory, asked once and kept for all replicas of this process. A peer is known when
 * each of its ranks has answered. Side-channel poller only; callbacks run there too.
 */
public final class PeerMetadataCache {
    /** Who wants to know; exactly one of the two is called, at once or later. */
    public interface Asker {
        /**
         * @param ranks what the peer's ranks told, rank by rank
         * @param isCached it was known, and may be of an earlier life of the peer
         */
        void resolved(List<PeerMetadata> ranks, boolean isCached);

        void unresolved(TransferException cause);
    }

    /** Questions under way to one peer. */
    private static final class Inquiry {
        final Peer peer;
        final SideChannelDialect dialect;
        final List<Asker> askers = new ArrayList<>();
        final @Nullable PeerMetadata[] answers; // [ranks]
        int missing;

        Inquiry(Peer peer, SideChannelDialect dialect) {
            this.peer = peer;
            this.dialect = dialect;
            answers = new @Nullable PeerMetadata[peer.ranks()];
            missing = peer.ranks();
        }
    }

    private final SideChannelClient client;
    private final Counters<HandoffCounter> counters;
    private final int maxPeers;
    private final LinkedHashMap<Peer, List<PeerMetadata>> known = new LinkedHashMap<>(); // longest unused first
    private final Map<Peer, Inquiry> asking = new LinkedHashMap<>();

    public PeerMetadataCache(SideChannelClient client, int maxPeers, Counters<HandoffCounter> counters) {
        this.client = client;
        this.counters = counters;
        this.maxPeers = maxPeers;
    }

    /**
     * Finds the writer of a ticket and what its ranks told; asks them when nothing is known of the life that wrote the ticket.
     *
     * @param dialect of the engine that asks
     */
    public void resolve(SideChannelDialect dialect, HandoffTicket ticket, Asker asker) {
        Peer peer;
        try {
            peer = dialect.peer(ticket);
            dialect.requireUsable(ticket);
        } catch (TransferException e) {
            asker.unresolved(e);
            return;
        }
        List<PeerMetadata> ranks = known(peer);
        if (ranks.isEmpty()) {
            ask(peer, dialect, asker);
        } else if (ranks.getFirst().isOtherLife(ticket)) {
            renew(dialect, ticket, asker);
        } else {
            asker.resolved(ranks, true);
        }
    }

    /** Asks the writer of a ticket, whatever is known of it: that may be of an earlier life. */
    public void renew(SideChannelDialect dialect, HandoffTicket ticket, Asker asker) {
        counters.increment(HandoffCounter.METADATA_REFRESHED);
        ask(dialect.peer(ticket), dialect, asker);
    }

    /** Whether no peer is being asked. */
    public boolean isIdle() {
        return asking.isEmpty();
    }

    /** What is known of a peer, rank by rank; empty when nothing is. */
    private List<PeerMetadata> known(Peer peer) {
        List<PeerMetadata> ranks = known.remove(peer);
        if (ranks == null) {
            return List.of();
        }
        known.put(peer, ranks);
        return ranks;
    }

    /** Asks all ranks of a peer; with one answer missing or wrong the whole question fails. */
    private void ask(Peer peer, SideChannelDialect dialect, Asker asker) {
        Inquiry under = asking.get(peer);
        if (under != null) {
            under.askers.add(asker);
            return;
        }
        var inquiry = new Inquiry(peer, dialect);
        inquiry.askers.add(asker);
        asking.put(peer, inquiry);
        for (int index = 0; index < peer.ranks(); index++) {
            int rank = index;
            counters.increment(HandoffCounter.METADATA_ASKED);
            client.ask(
                    peer.endpoint(rank),
                    dialect.question(rank),
                    answer -> answered(inquiry, rank, answer),
                    cause -> failed(inquiry, cause));
        }
    }

    private void answered(Inquiry inquiry, int rank, byte[] answer) {
        Peer peer = inquiry.peer;
        try {
            PeerMetadata metadata = inquiry.dialect.answer(peer, rank, answer);
            requirePeer(peer, rank, metadata);
            inquiry.answers[rank] = metadata;
        } catch (TransferException e) {
            failed(inquiry, e);
            return;
        }
        if (--inquiry.missing == 0 && asking.remove(peer, inquiry)) {
            var ranks = new ArrayList<PeerMetadata>();
            for (PeerMetadata metadata : inquiry.answers) {
                if (metadata == null) {
                    throw new IllegalStateException("an answer of " + peer + " is lost");
                }
                ranks.add(metadata);
            }
            learn(peer, List.copyOf(ranks));
            inquiry.askers.forEach(asker -> asker.resolved(ranks, false));
        }
    }

    private void learn(Peer peer, List<PeerMetadata> ranks) {
        known.remove(peer);
        known.put(peer, ranks);
        if (known.size() > maxPeers) {
            known.pollFirstEntry();
        }
    }

    /** The first failure is the inquiry's; what comes later is of no use. */
    private void failed(Inquiry inquiry, TransferException cause) {
        if (asking.remove(inquiry.peer, inquiry)) {
            inquiry.askers.forEach(asker -> asker.unresolved(cause));
        }
    }

    private static void requirePeer(Peer peer, int rank, PeerMetadata metadata) {
        if (!metadata.engineId().equals(peer.engineId())) {
            throw new TransferException(
                    Kind.REJECTED,
                    "engine_id at " + peer.endpoint(rank) + " is \"" + metadata.engineId()
                            + "\", but the ticket's remote_engine_id is \"" + peer.engineId() + "\"");
        }
        if (metadata.details().isPresent()) {
            PeerMetadata.Details told = metadata.details().get();
            if (told.tpRank() != rank || told.tpSize() != peer.ranks()) {
                throw new TransferException(
                        Kind.REJECTED,
                        "at " + peer.endpoint(rank) + " is tensor rank " + told.tpRank() + " of " + told.tpSize()
                                + ", but the ticket and kv_connector_extra_config make it rank " + rank + " of "
                                + peer.ranks());
            }
        }
    }
}
