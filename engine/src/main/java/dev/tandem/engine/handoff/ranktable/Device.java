package dev.tandem.engine.handoff.ranktable;

import java.net.InetAddress;
import java.util.Optional;

/**
 * One device of a rank table.
 *
 * @param serverId {@code server_id}: address of its node
 * @param deviceId {@code device_id}: its number on its node, from 0
 * @param deviceIp {@code device_ip}: address of its own network port (A2), of its virtual one (A3), or of its node where there is no
 *     accelerator
 * @param superPod only on A3
 * @param clusterId {@code cluster_id}: 1 for the first prefill device, counted on over prefill and then decode devices
 */
public record Device(String serverId, int deviceId, String deviceIp, Optional<SuperPod> superPod, int clusterId) {
    /** Largest number of a device on its node. */
    public static final int MAX_DEVICE_ID = 1023;

    /** @throws RankTableException naming the field */
    public Device {
        Addresses.require("server_id", serverId);
        if (deviceId < 0 || deviceId > MAX_DEVICE_ID) {
            throw RankTableException.refuse("device_id", "0 to " + MAX_DEVICE_ID, deviceId);
        }
        Addresses.require("device_ip", deviceIp);
        if (clusterId < 1) {
            throw RankTableException.refuse("cluster_id", "1 or more", clusterId);
        }
    }

    /** The node's address. */
    public InetAddress server() {
        return Addresses.parsed(serverId);
    }

    InetAddress address() {
        return Addresses.parsed(deviceIp);
    }

    /** Whether it stands for a node without an accelerator, whose ranks share the node's address. */
    public boolean hasNodeAddress() {
        return address().equals(server());
    }
}
