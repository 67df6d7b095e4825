package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.PeerMetadataCache.Peer;
import dev.tandem.kv.KvLayout;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Verbs, as vllm-ascend's MooncakeConnector and MooncakeLayerwiseConnector speak: {@link SideChannelCodec}.
 *
 * @param peerTpSize tensor ranks of decode engines that do not say how many done messages they send
 */
record MooncakeDialect(int peerTpSize) implements SideChannelDialect {
    @Override
    public byte[] question(int peerRank) {
        return SideChannelCodec.encodeGetMetadata();
    }

    @Override
    public PeerMetadata answer(Peer peer, int rank, byte[] payload) {
        return SideChannelCodec.decodeMetadata(payload);
    }

    /**
     * One message speaks for all ranks of one of ours; a foreign engine's ranks keep books of their own, so each is told. In both cases
     * the message says how many come.
     */
    @Override
    public SortedMap<Integer, byte[]> done(String transferId, Peer peer, boolean isOurs) {
        int told = isOurs ? 1 : peer.ranks();
        var sends = new TreeMap<Integer, Integer>();
        for (int rank = 0; rank < told; rank++) {
            sends.put(peer.port() + rank, 1);
        }
        byte[] message = SideChannelCodec.encodeDoneReceiving(transferId, peer.host(), sends);
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
    public byte[] metadata(PeerMetadata own, SideChannelServer.Place place) {
        return SideChannelCodec.encodeMetadata(own, place.host(), place.port());
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
    public ReleaseQuorum doneRule(KvLayout layout, int ranks) {
        return ReleaseQuorum.of(layout, ranks, peerTpSize);
    }
}
