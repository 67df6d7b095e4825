package dev.tandem.node;

import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Parallel;
import java.net.InetAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The rank table, and which of its devices this node's ranks stand for: those of its own address in the list of its role, in the
 * table's order, {@code tensor} of them for each replica.
 *
 * @param table of the whole deployment
 * @param devices of all local ranks
 * @param parallel which ranks those are
 */
record LocalDevices(RankTable table, List<Device> devices, Parallel parallel) {
    private static final Logger LOG = LoggerFactory.getLogger(LocalDevices.class);

    /**
     * Reads the table that LLMDataDistCMgrConnector needs and says which file that was; empty for any other connector.
     *
     * @throws FlagException when the file is not a rank table, or not this node's
     */
    static Optional<LocalDevices> of(NodeConfig config) {
        if (!config.usesRankTable()) {
            return Optional.empty();
        }
        Path path = Path.of(config.environment().network().rankTable().orElseThrow());
        RankTable table;
        try {
            table = RankTable.read(path);
        } catch (RankTableException e) {
            throw new FlagException("DISAGGREGATED_PREFILL_RANK_TABLE_PATH: " + e.getMessage());
        }
        var own = new LocalDevices(
                table, devices(config, table, path), config.flags().parallel());
        LOG.info(
                "rank table {}: {} prefill devices on {}, {} decode devices on {}; this node has {} of them",
                path.toAbsolutePath().normalize(),
                table.prefill().size(),
                table.servers(Side.PREFILL),
                table.decode().size(),
                table.servers(Side.DECODE),
                own.devices.size());
        return Optional.of(own);
    }

    private static List<Device> devices(NodeConfig config, RankTable table, Path path) {
        Side side = config.flags().kvTransfer().orElseThrow().role() == Role.PRODUCER ? Side.PREFILL : Side.DECODE;
        if (config.flags().parallel().localRanks() == 0) {
            return List.of(); // a head that runs none: whoever joins it has the devices
        }
        List<Device> listed = listed(config, table, side, path);
        List<Integer> visible = config.environment().network().dataDist().devices();
        List<Device> devices = listed.stream()
                .filter(device -> visible.isEmpty() || visible.contains(device.deviceId()))
                .toList();
        Parallel parallel = config.flags().parallel();
        if (devices.size() < parallel.localRanks()) {
            throw new FlagException("this node runs " + parallel.localRanks() + " ranks (" + parallel.tensor()
                    + " tensor-parallel x " + parallel.data().localSize() + " data-parallel), but " + path + " has "
                    + devices.size() + " devices of server_id " + config.announcedHost() + " in " + side.key()
                    + (visible.isEmpty() ? "" : " among ASCEND_RT_VISIBLE_DEVICES " + visible));
        }
        if (devices.size() > parallel.localRanks()) {
            LOG.warn(
                    "rank table {}: {} has {} devices of {}, this node runs {} ranks only",
                    path,
                    side.key(),
                    devices.size(),
                    config.announcedHost(),
                    parallel.localRanks());
        }
        return devices.subList(0, parallel.localRanks());
    }

    /** The node's devices in its list; a node that stands in the other list only is told so. */
    private static List<Device> listed(NodeConfig config, RankTable table, Side side, Path path) {
        String host = config.announcedHost();
        InetAddress address;
        try {
            address = InetAddress.ofLiteral(host);
        } catch (IllegalArgumentException e) {
            throw new FlagException(
                    "--host " + host + " is not an address; a rank table holds addresses: set HCCL_IF_IP to"
                            + " this node's server_id, one of " + String.join(", ", table.servers(side)));
        }
        List<Device> listed = table.devices(side, address);
        if (listed.isEmpty()) {
            Side other = side == Side.PREFILL ? Side.DECODE : Side.PREFILL;
            String role = side == Side.PREFILL ? "kv_producer" : "kv_consumer";
            throw new FlagException(path + ": a node with kv_role " + role + " must be in " + side.key()
                    + ", which names " + String.join(", ", table.servers(side)) + "; this node's address " + host
                    + (table.devices(other, address).isEmpty() ? " is in neither list" : " is in " + other.key())
                    + " (HCCL_IF_IP says the address)");
        }
        return listed;
    }

    /** Devices of one replica's tensor ranks, by rank. */
    List<Device> ofReplica(int dpRank) {
        int first = (dpRank - parallel.data().startRank()) * parallel.tensor();
        return devices.subList(first, first + parallel.tensor());
    }
}
