package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.PeerMetadataCache.Peer;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.TransferException;
import java.util.Optional;

/** Finds the engine that wrote a ticket: how many ranks it has and where each of them answers. Pure; any thread. */
sealed interface PeerDirectory permits TicketDirectory, RankTableDirectory {
    /** The directory that an engine looks its peers up in. */
    static PeerDirectory of(HandoffConfig config) {
        return switch (config.peers()) {
            case Peers.FromTicket ticket -> new TicketDirectory(config.engineId(), ticket.tpSize());
            case Peers.FromRankTable ranks -> new RankTableDirectory(ranks.table());
        };
    }

    /**
     * The writer's ranks.
     *
     * @throws TransferException REJECTED when the writer is nobody that this directory knows; then nothing may be sent there
     */
    Peer find(HandoffTicket ticket);

    /** Why nothing can be read or written there, though the writer is known; empty when nothing speaks against it. */
    Optional<String> objection(HandoffTicket ticket);
}
