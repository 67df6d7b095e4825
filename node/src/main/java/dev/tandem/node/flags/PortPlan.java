package dev.tandem.node.flags;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.IntPredicate;

/**
 * Side-channel ports of one node, numbered as vllm-ascend v0.11.0rc1 numbers them: {@code kv_port + global dp rank * tp size + tp rank}
 * with the Mooncake connectors, {@code VLLM_ASCEND_LLMDD_RPC_PORT + local dp rank * tp size + tp rank} with LLMDataDistCMgrConnector.
 *
 * @param base where the numbering begins
 * @param tpSize tensor-parallel ranks of a replica
 * @param firstDpRank global index of this node's first replica
 * @param localDpRanks replicas on this node
 */
public record PortPlan(Base base, int tpSize, int firstDpRank, int localDpRanks) {
    /** The setting that numbers LLMDataDistCMgrConnector's ports. */
    public static final String DATA_DIST_SETTING = "VLLM_ASCEND_LLMDD_RPC_PORT";

    /** Its value when nothing is set. */
    public static final int DATA_DIST_PORT = 5557;

    /**
     * Where the numbering begins.
     *
     * @param setting that says it, for messages
     * @param port of tensor rank 0 of replica {@code dpRank}
     * @param dpRank global index of the replica that has it: 0 when replicas are counted over the whole deployment
     */
    public record Base(String setting, int port, int dpRank) {}

    /** Ports of a Mooncake connector, from {@code kv_port} on. */
    public PortPlan(int kvPort, int tpSize, int firstDpRank, int localDpRanks) {
        this(new Base("kv_port", kvPort, 0), tpSize, firstDpRank, localDpRanks);
    }

    private static final int MAX_PORT = 65_535;
    /** The guides give each node a hundred ports. */
    private static final int STRIDE = 100;
    /** Ports that vllm-ascend's transport reserves on a host with 16 devices: 1,000 per device from 20,000 on. */
    private static final int RESERVED_FROM = 20_000;

    private static final int RESERVED_TO = 35_999;

    public PortPlan {
        long last = base.port + (long) (firstDpRank - base.dpRank + localDpRanks) * tpSize - 1;
        if (base.port < 1 || last > MAX_PORT) {
            throw new FlagException(
                    base.setting + " " + base.port + " with " + localDpRanks + " x " + tpSize + " ranks from dp rank "
                            + firstDpRank + " reaches port " + last + ", outside [1, " + MAX_PORT + "]");
        }
    }

    /** The value of the base's setting: {@code kv_port}, or {@code VLLM_ASCEND_LLMDD_RPC_PORT}. */
    public int kvPort() {
        return base.port;
    }

    /** The side-channel port of one rank; replicas by their global index. */
    public int sideChannel(int dpRank, int tpRank) {
        return base.port + (dpRank - base.dpRank) * tpSize + tpRank;
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

    /** The lowest port of this node. */
    public int first() {
        return sideChannel(firstDpRank, 0);
    }

    /** The highest port of this node; below {@link #first} when it has no ranks. */
    public int last() {
        return sideChannel(firstDpRank + localDpRanks, 0) - 1;
    }

    /** Whether a port is one of this node's. */
    public boolean contains(int port) {
        return port >= first() && port <= last();
    }

    /** Whether two nodes on one host would ask for the same port. */
    public boolean overlaps(PortPlan other) {
        return first() <= other.last() && other.first() <= last();
    }

    /** Whose port it is, for messages: {@code dp rank 1, tp rank 3}. */
    public String owner(int port) {
        int rank = port - base.port;
        return "dp rank " + (base.dpRank + rank / tpSize) + ", tp rank " + rank % tpSize;
    }

    /** The same node with another {@code kv_port}, or whatever the base's setting is. */
    public PortPlan at(int otherPort) {
        return new PortPlan(new Base(base.setting, otherPort, base.dpRank), tpSize, firstDpRank, localDpRanks);
    }

    /** The next value of the base's setting, in steps of a hundred, whose ports are all free; empty when there is none. */
    public OptionalInt nextFree(IntPredicate isFree) {
        for (int port = base.port + STRIDE; port + last() - base.port <= MAX_PORT; port += STRIDE) {
            if (at(port).sideChannels().stream().allMatch(isFree::test)) {
                return OptionalInt.of(port);
            }
        }
        return OptionalInt.empty();
    }

    /** A warning, when ports lie where the Ascend transport takes its own. */
    public Optional<String> reservation() {
        if (last() < RESERVED_FROM || first() > RESERVED_TO || localDpRanks == 0) {
            return Optional.empty();
        }
        return Optional.of(base.setting + " " + base.port + ": the side-channel ports " + range() + " lie in "
                + RESERVED_FROM
                + "-"
                + RESERVED_TO + ", which the Ascend transport reserves on hosts with 16 devices; nothing here uses"
                + " them, but beside vllm-ascend on one host use " + base.setting + " " + (RESERVED_TO + 1)
                + " or above");
    }

    /** First and last port, for messages. */
    public String range() {
        return first() == last() ? Integer.toString(first()) : first() + "-" + last();
    }
}
