package dev.tandem.node;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.node.flags.ServeFlags;
import java.util.List;
import java.util.Optional;

/**
 * Everything that one node is started with.
 *
 * @param flags the command line
 * @param environment the environment variables
 * @param cores processors of this machine
 */
public record NodeConfig(ServeFlags flags, NodeEnvironment environment, int cores) {
    /** A node's budget of memory when nothing else says: what {@code --gpu-memory-utilization} is a fraction of. */
    static final long BUDGET_BYTES = 2L << 30;

    private static final List<String> WILDCARDS = List.of("0.0.0.0", "::", "");

    public NodeConfig {
        refuseWhatNodesDoNotDo(flags);
        if (flags.kvTransfer().isPresent()
                && isWildcard(flags.server().host())
                && environment.announcedHost().isEmpty()
                && flags.kvTransfer().get().kvIp().isEmpty()) {
            throw new FlagException(
                    "--host " + flags.server().host() + " cannot be announced to peers: set HCCL_IF_IP or kv_ip to this"
                            + " node's own address, or give it as --host");
        }
    }

    /** What the words mean and no node carries out yet: refused, never cut down in silence. */
    private static void refuseWhatNodesDoNotDo(ServeFlags flags) {
        Parallel parallel = flags.parallel();
        if (parallel.data().size() > 1
                || parallel.isHeadless()
                || parallel.data().localSize() == 0) {
            throw new FlagException("--tensor-parallel-size " + parallel.tensor() + ", --data-parallel-size "
                    + parallel.data().size() + (parallel.isHeadless() ? " and --headless" : "")
                    + " are not carried out in this version; a node runs 1 rank");
        }
        if (flags.kvTransfer()
                .filter(config -> config.connector() == KvTransferConfig.Connector.LAYERWISE)
                .isPresent()) {
            throw new FlagException("kv_connector MooncakeLayerwiseConnector is not carried out in this version;"
                    + " use MooncakeConnector");
        }
    }

    private static boolean isWildcard(String host) {
        return WILDCARDS.contains(host);
    }

    /** The address that peers are told: {@code HCCL_IF_IP}, else {@code kv_ip}, else the HTTP host. */
    public String announcedHost() {
        return environment
                .announcedHost()
                .or(() -> flags.kvTransfer().flatMap(KvTransferConfig::kvIp))
                .orElse(flags.server().host());
    }

    /** Bytes of KV memory of all local ranks. */
    public long kvMemoryBytes() {
        return flags.cache().memoryBytes().or(environment::kvCacheSpaceBytes).orElse((long)
                (flags.cache().utilization() * BUDGET_BYTES));
    }

    /** Bytes of KV memory of one rank. */
    public long kvMemoryBytesPerRank() {
        return kvMemoryBytes() / Math.max(1, flags.parallel().localRanks());
    }

    /** Cores that one rank may count on. */
    public int coresPerRank() {
        return Math.max(1, cores / Math.max(1, flags.parallel().localRanks()));
    }

    /** Kernel threads of each rank: no more than OMP_NUM_THREADS, and no more than its share of the cores. */
    public int kernelThreads() {
        return Math.min(environment.kernelThreads().orElse(Integer.MAX_VALUE), coresPerRank());
    }

    /** Side-channel ports of this node's ranks. */
    public Optional<PortPlan> ports() {
        return flags.ports();
    }
}
