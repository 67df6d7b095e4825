package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.PeerMetadataCache.Peer;
import dev.tandem.engine.request.HandoffTicket;
import java.util.Optional;

/**
 * The ticket itself says where its writer is, as with the Mooncake connectors.
 *
 * @param ownEngineId of this node
 * @param usualRanks of an engine whose ticket does not say how many it has
 */
record TicketDirectory(String ownEngineId, int usualRanks) implements PeerDirectory {
    @Override
    public Peer find(HandoffTicket ticket) {
        return new Peer(ticket.host(), ticket.port(), ticket.tpSize().orElse(usualRanks), ticket.engineId());
    }

    /** Engines know each other by their ids: one that meets its own takes foreign blocks for its own. */
    @Override
    public Optional<String> objection(HandoffTicket ticket) {
        return ticket.engineId().equals(ownEngineId)
                ? Optional.of("engine_id \"" + ownEngineId
                        + "\" is this node's own and the other node's; each node needs its own")
                : Optional.empty();
    }
}
