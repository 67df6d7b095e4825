package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.Side;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Rank tables of nodes without accelerators: one prefill and one decode node. */
public final class RankTables {
    private RankTables() {}

    /** Device ip is the node's address. */
    public static RankTable of(String prefillHost, int prefillDevices, String decodeHost, int decodeDevices) {
        return new RankTable(
                devices(prefillHost, prefillDevices, 1), devices(decodeHost, decodeDevices, prefillDevices + 1));
    }

    private static List<Device> devices(String host, int count, int firstClusterId) {
        var devices = new ArrayList<Device>();
        for (int id = 0; id < count; id++) {
            // both nodes of a test may share an address, but no device
            devices.add(new Device(host, firstClusterId + id, host, Optional.empty(), firstClusterId + id));
        }
        return devices;
    }

    /** The whole of a list as one engine's own. */
    public static Peers.FromRankTable peers(RankTable table, Side side) {
        return new Peers.FromRankTable(table, table.devices(side));
    }
}
