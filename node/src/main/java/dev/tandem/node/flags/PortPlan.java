package dev.tandem.node.flags;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.IntPredicate;

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
    /** The guides give each node a hundred ports. */
    private static final int STRIDE = 100;
    /** Ports that vllm-ascend's transport reserves on a host with 16 devices: 1,000 a device from 20,000 on. */
    private static final int RESERVED_FROM = 20_000;

    private static final int RESERVED_TO = 35_999;

    public PortPlan {
        long last = kvPort + (long) (firstDpRank + localDpRanks) * tpSize - 1;
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
        int rank = port - kvPort;
        return "dp rank " + rank / tpSize + ", tp rank " + rank % tpSize;
    }

    /** The same node with another {@code kv_port}. */
    public PortPlan at(int otherKvPort) {
        return new PortPlan(otherKvPort, tpSize, firstDpRank, localDpRanks);
    }

    /** The next {@code kv_port}, in steps of a hundred, whose ports are all free; empty when there is none. */
    public OptionalInt nextFree(IntPredicate isFree) {
        for (int port = kvPort + STRIDE; port + last() - kvPort <= MAX_PORT; port += STRIDE) {
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
        return Optional.of("kv_port " + kvPort + ": the side-channel ports " + range() + " lie in " + RESERVED_FROM
                + "-"
                + RESERVED_TO + ", which the Ascend transport reserves on hosts with 16 devices; nothing here uses"
                + " them, but beside vllm-ascend on one host use kv_port " + (RESERVED_TO + 1) + " or above");
    }

    /** First and last port, for messages. */
    public String range() {
        return first() == last() ? Integer.toString(first()) : first() + "-" + last();
    }
}
