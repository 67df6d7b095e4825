package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What the ranks of peer engines said about their memory, asked once and kept for all replicas of this process. A peer is known when
 * each of its ranks has answered. Side-channel poller only; callbacks run there too.
 */
final class PeerMetadataCache {
    /**
     * An engine whose rank r listens on {@code port + r}.
     *
     * @param engineId that all its ranks must answer with
     */
    record Peer(String host, int port, int ranks, String engineId) {
        String endpoint(int rank) {
            return SideChannel.endpoint(host, Integer.toString(port + rank));
        }
    }

    /** Who wants to know; exactly one of the two is called. */
    record Asker(Consumer<List<PeerMetadata>> told, Consumer<TransferException> untold) {}

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

    private final SideChannelClient questions;
    private final int maxPeers;
    private final LinkedHashMap<Peer, List<PeerMetadata>> known = new LinkedHashMap<>(); // longest unused first
    private final Map<Peer, Inquiry> asking = new LinkedHashMap<>();

    PeerMetadataCache(SideChannelClient questions, int maxPeers) {
        this.questions = questions;
        this.maxPeers = maxPeers;
    }

    /** What is known of a peer, rank by rank; empty when nothing is. */
    List<PeerMetadata> known(Peer peer) {
        List<PeerMetadata> ranks = known.remove(peer);
        if (ranks == null) {
            return List.of();
        }
        known.put(peer, ranks);
        return ranks;
    }

    /** Asks all ranks of a peer, whatever is known; with one answer missing or wrong the whole question fails. */
    void ask(Peer peer, SideChannelDialect dialect, Counters<HandoffCounter> counters, Asker asker) {
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
            questions.ask(
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
            inquiry.askers.forEach(asker -> asker.told().accept(ranks));
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
            inquiry.askers.forEach(asker -> asker.untold().accept(cause));
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
