package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.lease.ReleaseQuorum;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.transfer.TransferException;
import java.util.OptionalLong;
import java.util.SortedMap;

/**
 * How one engine finds its peers and speaks with them on the side channel: what it asks and says, and how it answers. Payloads only, pure.
 * {@link MooncakeDialect} is that of the Mooncake connectors, {@link LlmDataDistDialect} that of LLMDataDistCMgrConnector.
 */
public sealed interface SideChannelDialect permits MooncakeDialect, LlmDataDistDialect {
    /** The dialect of an engine. */
    static SideChannelDialect of(HandoffConfig config) {
        return switch (config.peers()) {
            case Peers.FromTicket ticket -> new MooncakeDialect(config.engineId(), ticket.tpSize());
            case Peers.FromRankTable ranks -> new LlmDataDistDialect(ranks);
        };
    }

    /**
     * The engine that wrote a ticket.
     *
     * @throws TransferException REJECTED when the writer is nobody that this engine knows; then nothing may be sent there
     */
    Peer peer(HandoffTicket ticket);

    /** @throws TransferException REJECTED when nothing can be read or written where a ticket says, though the writer is known */
    void requireUsable(HandoffTicket ticket);

    /** What a peer's rank is asked for its memory. */
    byte[] question(int peerRank);

    /**
     * What the peer's rank said.
     *
     * @throws TransferException CORRUPT when it is not an answer, REJECTED when nothing can be read there
     */
    PeerMetadata answer(Peer peer, int rank, byte[] payload);

    /**
     * The messages that end a lease, by the rank that gets them.
     *
     * @param transferId request id that the prefill engine keeps the lease under
     * @param lease the first virtual id of the ticket, when the prefill engine is one of ours
     */
    SortedMap<Integer, byte[]> done(String transferId, Peer peer, OptionalLong lease);

    /** Whether a message that ends a lease was taken. */
    boolean isTaken(byte[] answer);

    /** What a rank of this engine answers to {@link #question}. */
    byte[] metadata(PeerMetadata own, RankEndpoint endpoint);

    /**
     * What a peer asks or says.
     *
     * @throws TransferException CORRUPT when it is not a message, REJECTED when it comes from nobody that this engine serves
     */
    SideChannelMessage read(byte[] payload);

    /** The answer to a message that ends a lease. */
    byte[] taken();

    /**
     * How many such messages end a lease of this engine, where they do not say it themselves.
     *
     * @param layout of any of its ranks
     */
    ReleaseQuorum releaseQuorum(KvLayout layout, int ranks);
}
