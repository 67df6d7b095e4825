package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.lease.ReleaseQuorum;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.net.InetAddress;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Numbered events between the devices of a rank table, as vllm-ascend's LLMDataDistCMgrConnector speaks: {@link LlmDataDistCodec}. A ticket
 * is believed only when it comes from one of the prefill nodes listed there, and only they are ever called. Both
 * sides introduce themselves, and each takes only devices that its own table has on the other side, so that two tables that differ are
 * found out before a byte moves. Every rank of the prefill engine gets one message at the end of a lease, whatever the sizes are: that is
 * what vllm-ascend's decode ranks send together.
 */
final class LlmDataDistDialect implements SideChannelDialect {
    private final RankTable table;
    private final List<Device> own; // [tensor ranks]

    LlmDataDistDialect(Peers.FromRankTable peers) {
        this.table = peers.table();
        this.own = peers.own();
    }

    /** Equal engine ids are right here. The port is the ticket's: a node may run with another {@code VLLM_ASCEND_LLMDD_RPC_PORT}. */
    @Override
    public Peer peer(HandoffTicket ticket) {
        List<Device> devices = devices(ticket);
        if (devices.isEmpty()) {
            throw new TransferException(
                    Kind.REJECTED,
                    "remote_host " + ticket.host() + " is not a server_id of the rank table's " + Side.PREFILL.key()
                            + ", which names " + String.join(", ", table.servers(Side.PREFILL)));
        }
        return new Peer(ticket.host(), ticket.port(), ticket.tpSize().orElse(devices.size()), ticket.engineId());
    }

    @Override
    public void requireUsable(HandoffTicket ticket) {
        int devices = devices(ticket).size();
        if (ticket.tpSize().isEmpty()) {
            throw new TransferException(
                    Kind.REJECTED,
                    "the ticket says no " + HandoffTicket.TP_SIZE + "; " + ticket.host() + " has " + devices
                            + " devices in the rank table");
        }
        int ranks = ticket.tpSize().getAsInt();
        if (ranks > devices || devices % ranks != 0) {
            throw new TransferException(
                    Kind.REJECTED,
                    HandoffTicket.TP_SIZE + " is " + ranks + ", but " + ticket.host() + " has " + devices
                            + " devices in the rank table's " + Side.PREFILL.key()
                            + ": the two nodes run with different tables, or the prefill node with another size");
        }
    }

    private List<Device> devices(HandoffTicket ticket) {
        try {
            return table.devices(Side.PREFILL, InetAddress.ofLiteral(ticket.host()));
        } catch (IllegalArgumentException notAnAddress) {
            return List.of(); // a rank table holds addresses only
        }
    }

    /** Exactly the six fields that vllm-ascend's P takes: one more and its listener dies. */
    @Override
    public byte[] question(int peerRank) {
        return LlmDataDistCodec.encodeQuestion(own.get(peerRank % own.size()));
    }

    @Override
    public PeerMetadata answer(Peer peer, int rank, byte[] payload) {
        if (Arrays.equals(payload, SideChannelCodec.refusal())) {
            throw new TransferException(
                    Kind.REJECTED,
                    peer.endpoint(rank) + " does not take " + shown(own.get(rank % own.size()))
                            + " for a decode device of its rank table: do both nodes read the same file?");
        }
        LlmDataDistCodec.Answer answer = LlmDataDistCodec.decodeAnswer(payload);
        if (!table.prefill().contains(answer.device())) {
            throw new TransferException(
                    Kind.REJECTED,
                    peer.endpoint(rank) + " says that it is " + shown(answer.device())
                            + ", which is not an entry of this node's prefill_device_list: do both nodes read the same"
                            + " rank table?");
        }
        return answer.metadata()
                .orElseThrow(() -> new TransferException(
                        Kind.REJECTED,
                        peer.endpoint(rank) + " is " + shown(answer.device()) + " of vllm-ascend, which moves KV over"
                                + " HCCL links between devices; this node has none, and that engine offers no other"
                                + " way"));
    }

    private static String shown(Device device) {
        return "device " + device.deviceId() + " of " + device.serverId() + " (device_ip " + device.deviceIp()
                + ", cluster_id " + device.clusterId() + ")";
    }

    /** The request id is all that this message has room for. */
    @Override
    public SortedMap<Integer, byte[]> done(String transferId, Peer peer, OptionalLong lease) {
        byte[] message = LlmDataDistCodec.encodeFinished(transferId);
        var messages = new TreeMap<Integer, byte[]>();
        for (int rank = 0; rank < peer.ranks(); rank++) {
            messages.put(rank, message);
        }
        return messages;
    }

    @Override
    public boolean isTaken(byte[] answer) {
        return LlmDataDistCodec.isFinishedTaken(answer);
    }

    @Override
    public byte[] metadata(PeerMetadata metadata, RankEndpoint endpoint) {
        return LlmDataDistCodec.encodeAnswer(own.get(endpoint.rank()), metadata, endpoint);
    }

    @Override
    public SideChannelMessage read(byte[] payload) {
        return switch (LlmDataDistCodec.decodeRequest(payload)) {
            case LlmDataDistCodec.Request.Introduction introduction -> introduced(introduction.device());
            case LlmDataDistCodec.Request.Finished finished -> finished.message();
        };
    }

    private SideChannelMessage introduced(Device device) {
        if (!table.devices(Side.DECODE).contains(device)) {
            throw new TransferException(
                    Kind.REJECTED,
                    "somebody says that it is " + shown(device)
                            + ", which is not an entry of this node's decode_device_list: do both nodes read the same rank"
                            + " table?");
        }
        return new SideChannelMessage.GetMetadata();
    }

    @Override
    public byte[] taken() {
        return LlmDataDistCodec.finishedTaken();
    }

    @Override
    public ReleaseQuorum releaseQuorum(KvLayout layout, int ranks) {
        return new ReleaseQuorum(ranks, ranks, 1);
    }
}
