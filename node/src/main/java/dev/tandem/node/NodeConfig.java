package dev.tandem.node;

import dev.tandem.api.access.ServerAccess;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.node.flags.TrustSettings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.function.Supplier;

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

    private static final String RANK_TABLE = "DISAGGREGATED_PREFILL_RANK_TABLE_PATH";

    public NodeConfig {
        var problems = new ArrayList<String>();
        String announced = announcedHost(flags, environment);
        try {
            flags.ports(environment.network().dataDist().port())
                    .ifPresent(ports -> addPortsTwice(problems, flags, ports, announced));
        } catch (FlagException e) {
            problems.addAll(e.problems());
        }
        if (problems.isEmpty()) {
            addTransferPortsTwice(problems, flags, environment, announced);
        }
        if (usesRankTable(flags) && environment.network().rankTable().isEmpty()) {
            problems.add("kv_connector LLMDataDistCMgrConnector needs " + RANK_TABLE
                    + ": the rank table that all nodes of the deployment share; tandem ranktable writes it");
        }
        if (flags.kvTransfer().isPresent()
                && isWildcard(flags.server().host())
                && environment.announcedHost().isEmpty()
                && flags.kvTransfer().get().kvIp().isEmpty()) {
            problems.add(
                    "--host " + flags.server().host() + " cannot be announced to peers: set HCCL_IF_IP or kv_ip to this"
                            + " node's own address, or give it as --host");
        }
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
    }

    /**
     * Reads what a node is told.
     *
     * @param arguments behind {@code tandem serve}
     * @param variables reads the environment variables
     * @throws FlagException with all problems of the arguments and the variables; when there are none, with all contradictions
     */
    public static NodeConfig read(List<String> arguments, Supplier<NodeEnvironment> variables, int cores) {
        var problems = new ArrayList<String>();
        Optional<ServeFlags> flags = orProblems(() -> ServeFlags.parse(arguments), problems);
        Optional<NodeEnvironment> environment = orProblems(variables, problems);
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return new NodeConfig(flags.orElseThrow(), environment.orElseThrow(), cores);
    }

    private static <T> Optional<T> orProblems(Supplier<T> reader, List<String> problems) {
        try {
            return Optional.of(reader.get());
        } catch (FlagException e) {
            problems.addAll(e.problems());
            return Optional.empty();
        }
    }

    /** The HTTP port and the port for joins must not be side-channel ports of the same address. */
    private static void addPortsTwice(List<String> problems, ServeFlags flags, PortPlan ports, String announced) {
        ServeFlags.Server server = flags.server();
        boolean isSameHost = isWildcard(server.host()) || server.host().equals(announced);
        if (isSameHost && !flags.parallel().isHeadless() && ports.contains(server.port())) {
            problems.add(taken(ports, "--port", server.port()));
        }
        Parallel.Head head = flags.parallel().head();
        if (flags.parallel().isMeetingPoint()
                && flags.parallel().hasRemoteRanks()
                && head.address().equals(announced)
                && ports.contains(head.rpcPort())) {
            problems.add(taken(ports, "--data-parallel-rpc-port", head.rpcPort()));
        }
    }

    /** A port of the transfer engine must be no other port of the same address. */
    private static void addTransferPortsTwice(
            List<String> problems, ServeFlags flags, NodeEnvironment environment, String announced) {
        var named = new LinkedHashMap<String, Integer>();
        if (!flags.parallel().isHeadless()
                && (isWildcard(flags.server().host()) || flags.server().host().equals(announced))) {
            named.put("--port", flags.server().port());
        }
        Parallel.Head head = flags.parallel().head();
        if (flags.parallel().isMeetingPoint()
                && flags.parallel().hasRemoteRanks()
                && head.address().equals(announced)) {
            named.put("--data-parallel-rpc-port", head.rpcPort());
        }
        transferPorts(flags).forEach((flag, port) -> {
            named.forEach((other, taken) -> {
                if (taken.equals(port)) {
                    problems.add(flag + " " + port + " is " + other + " too");
                }
            });
            flags.ports(environment.network().dataDist().port())
                    .filter(ports -> ports.contains(port))
                    .ifPresent(ports -> problems.add(
                            flag + " " + port + " is the side-channel port of " + ports.owner(port) + " too"));
            named.put(flag, port);
        });
    }

    private static SequencedMap<String, Integer> transferPorts(ServeFlags flags) {
        var ports = new LinkedHashMap<String, Integer>();
        flags.kvTransfer().ifPresent(transfer -> {
            ports.put("--handshake-port", transfer.ports().handshake());
            ports.put("--transfer-port", transfer.ports().data());
        });
        ports.values().removeIf(port -> port == 0); // any free one
        return ports;
    }

    /** The ports of the transfer engine that are fixed, by their flags. */
    public SequencedMap<String, Integer> transferPorts() {
        return transferPorts(flags);
    }

    private static String taken(PortPlan ports, String flag, int port) {
        OptionalInt next = ports.nextFree(other -> other != port);
        String setting = ports.base().setting();
        return flag + " " + port + " is the side-channel port of " + ports.owner(port) + " too: " + setting + " "
                + ports.kvPort() + " takes " + ports.range()
                + (next.isPresent() ? "; " + setting + " " + next.getAsInt() + " would do" : "");
    }

    private static boolean isWildcard(String host) {
        return NodeEnvironment.WILDCARDS.contains(host);
    }

    /** The address that peers are told: that of the environment, else {@code kv_ip}, else the HTTP host. */
    public String announcedHost() {
        return announcedHost(flags, environment);
    }

    private static String announcedHost(ServeFlags flags, NodeEnvironment environment) {
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

    /** Who may call this node: as the flags say; where they name no keys, {@code VLLM_API_KEY} is the one. */
    public ServerAccess access() {
        ServerAccess access = flags.server().access();
        return new ServerAccess(access.keys().orKey(environment.network().apiKey()), access.tls());
    }

    /** What the start log says once: what was accepted without effect, and what looks like a slip. */
    public List<String> notes() {
        var notes = new ArrayList<>(flags.notes());
        notes.addAll(environment.notes());
        if (flags.kvTransfer().isPresent() && !usesRankTable()) {
            addOfDataDist(notes);
        }
        if (environment.network().rankTable().isPresent() && flags.kvTransfer().isEmpty()) {
            notes.add(RANK_TABLE + " is set and --kv-transfer-config is not: this node takes no"
                    + " part in handoffs; a missing backslash in front of --kv-transfer-config does that");
        }
        return List.copyOf(notes);
    }

    private void addOfDataDist(List<String> notes) {
        NodeEnvironment.DataDist dataDist = environment.network().dataDist();
        String reason = ": known, no effect, because it belongs to LLMDataDistCMgrConnector";
        dataDist.rankTable().ifPresent(path -> notes.add(RANK_TABLE + "=" + path + reason));
        dataDist.host().ifPresent(host -> notes.add("VLLM_ASCEND_LLMDD_RPC_IP=" + host + reason));
        if (dataDist.port() != PortPlan.DATA_DIST_PORT) {
            notes.add(PortPlan.DATA_DIST_SETTING + "=" + dataDist.port() + reason);
        }
    }

    /** Whom this node lets in: flags first, then variables. */
    public TrustSettings trust() {
        return flags.process().trust().orElse(environment.network().trust());
    }

    /** Side-channel ports of this node's ranks. */
    public Optional<PortPlan> ports() {
        return flags.ports(environment.network().dataDist().port());
    }

    /** What the side channel binds, exactly: {@code VLLM_ASCEND_LLMDD_RPC_IP} where that counts, else the announced address. */
    public String sideChannelHost() {
        return environment
                .network()
                .dataDist()
                .host()
                .filter(host -> usesRankTable())
                .orElseGet(this::announcedHost);
    }

    /** Whether peers are found in the rank table, as LLMDataDistCMgrConnector does. */
    public boolean usesRankTable() {
        return usesRankTable(flags);
    }

    private static boolean usesRankTable(ServeFlags flags) {
        return flags.kvTransfer().filter(KvTransferConfig::usesRankTable).isPresent();
    }
}
