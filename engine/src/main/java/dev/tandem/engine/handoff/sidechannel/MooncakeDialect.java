package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.lease.ReleaseQuorum;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.transfer.TransferException;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Verbs, as vllm-ascend's MooncakeConnector and MooncakeLayerwiseConnector speak: {@link SideChannelCodec}.
 *
 * <p>A ticket itself says where its writer is.
 *
 * @param ownEngineId of this node
 * @param peerTpSize tensor ranks of engines whose tickets do not say how many they have, and of decode engines that do not say how many
 *     done messages they send
 */
record MooncakeDialect(String ownEngineId, int peerTpSize) implements SideChannelDialect {
    @Override
    public Peer peer(HandoffTicket ticket) {
        return new Peer(ticket.host(), ticket.port(), ticket.tpSize().orElse(peerTpSize), ticket.engineId());
    }

    /** Engines know each other by their ids: one that meets its own takes foreign blocks for its own. */
    @Override
    public void requireUsable(HandoffTicket ticket) {
        if (ticket.engineId().equals(ownEngineId)) {
            throw new TransferException(
                    TransferException.Kind.REJECTED,
                    "engine_id \"" + ownEngineId
                            + "\" is this node's own and the other node's; each node needs its own");
        }
    }

    @Override
    public byte[] question(int peerRank) {
        return SideChannelCodec.encodeGetMetadata();
    }

    @Override
    public PeerMetadata answer(Peer peer, int rank, byte[] payload) {
        return SideChannelCodec.decodeMetadata(payload);
    }

    /**
     * One message speaks for all ranks of one of ours; a foreign engine's ranks count for themselves, so each is told. In both cases
     * the message says how many come. To ours it also names the lease, which only who has the ticket can.
     */
    @Override
    public SortedMap<Integer, byte[]> done(String transferId, Peer peer, OptionalLong lease) {
        int told = lease.isPresent() ? 1 : peer.ranks();
        var sends = new TreeMap<Integer, Integer>();
        for (int rank = 0; rank < told; rank++) {
            sends.put(peer.port() + rank, 1);
        }
        byte[] message = SideChannelCodec.encodeDoneReceiving(transferId, peer.host(), sends, lease);
        var messages = new TreeMap<Integer, byte[]>();
        for (int rank = 0; rank < told; rank++) {
            messages.put(rank, message);
        }
        return messages;
    }

    @Override
    public boolean isTaken(byte[] answer) {
        return SideChannelCodec.isAcknowledgement(answer);
    }

    @Override
    public byte[] metadata(PeerMetadata own, RankEndpoint endpoint) {
        return SideChannelCodec.encodeMetadata(own, endpoint.host(), endpoint.port());
    }

    @Override
    public SideChannelMessage read(byte[] payload) {
        return SideChannelCodec.decodeRequest(payload);
    }

    @Override
    public byte[] taken() {
        return SideChannelCodec.acknowledgement();
    }

    @Override
    public ReleaseQuorum releaseQuorum(KvLayout layout, int ranks) {
        return ReleaseQuorum.of(layout, ranks, peerTpSize);
    }
}
