package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.PeerMetadataCache.Peer;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.net.InetAddress;
import java.util.List;
import java.util.Optional;

/**
 * The rank table names all nodes there are: a ticket is believed only when it comes from one of the prefill nodes listed there, and only
 * they are ever called. The port is the ticket's, since a node may have been started with another
 * {@code VLLM_ASCEND_LLMDD_RPC_PORT}. Equal engine ids are right here.
 */
record RankTableDirectory(RankTable table) implements PeerDirectory {
    @Override
    public Peer find(HandoffTicket ticket) {
        List<Device> devices = devices(ticket);
        if (devices.isEmpty()) {
            throw new TransferException(
                    Kind.REJECTED,
                    "remote_host " + ticket.host() + " is no server_id of the rank table's " + Side.PREFILL.key()
                            + ", which names " + String.join(", ", table.servers(Side.PREFILL)));
        }
        return new Peer(ticket.host(), ticket.port(), ticket.tpSize().orElse(devices.size()), ticket.engineId());
    }

    @Override
    public Optional<String> objection(HandoffTicket ticket) {
        int devices = devices(ticket).size();
        if (ticket.tpSize().isEmpty()) {
            return Optional.of("the ticket says no " + HandoffTicket.TP_SIZE + "; " + ticket.host() + " has " + devices
                    + " devices in the rank table");
        }
        int ranks = ticket.tpSize().getAsInt();
        return ranks > devices || devices % ranks != 0
                ? Optional.of(HandoffTicket.TP_SIZE + " is " + ranks + ", but " + ticket.host() + " has " + devices
                        + " devices in the rank table's " + Side.PREFILL.key()
                        + ": the two nodes run with different tables, or the prefill node with another size")
                : Optional.empty();
    }

    private List<Device> devices(HandoffTicket ticket) {
        try {
            return table.devices(Side.PREFILL, InetAddress.ofLiteral(ticket.host()));
        } catch (IllegalArgumentException notAnAddress) {
            return List.of(); // a rank table holds addresses only
        }
    }
}
