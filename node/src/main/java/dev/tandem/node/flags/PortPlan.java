package dev.tandem.node.flags;

import java.util.ArrayList;
import java.util.List;

/**
 * Side-channel ports of one node, numbered as vllm-ascend v0.11.0rc1 numbers them: {@code kv_port + global dp rank * tp size + tp rank}.
 *
 * @param kvPort {@code kv_port} of the KV transfer config
 * @param tpSize tensor-parallel ranks of a replica
 * @param firstDpRank global index of this node's first replica
 * @param localDpRanks replicas on this node
 */
public record PortPlan(int kvPort, int tpSize, int firstDpRank, int localDpRanks) {
    private static final int MAX_PORT = 65_535;

    public PortPlan {
        int last = kvPort + (firstDpRank + localDpRanks) * tpSize - 1;
        if (kvPort < 1 || last > MAX_PORT) {
            throw new FlagException(
                    "kv_port " + kvPort + " with " + localDpRanks + " x " + tpSize + " ranks from dp rank "
                            + firstDpRank + " reaches port " + last + ", outside [1, " + MAX_PORT + "]");
        }
    }

    /** The side-channel port of one rank. */
    public int sideChannel(int dpRank, int tpRank) {
        return kvPort + dpRank * tpSize + tpRank;
    }

    /** All side-channel ports of this node, ascending. */
    public List<Integer> sideChannels() {
        var ports = new ArrayList<Integer>();
        for (int dpRank = firstDpRank; dpRank < firstDpRank + localDpRanks; dpRank++) {
            for (int tpRank = 0; tpRank < tpSize; tpRank++) {
                ports.add(sideChannel(dpRank, tpRank));
            }
        }
        return List.copyOf(ports);
    }
}
